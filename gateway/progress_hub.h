#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"
#include "gateway/log_tail.h"
#include "gateway/mailbox.h"
#include "gateway/stream_position.h"
#include "schemas/document.h"

namespace millrace {

struct PlacedProgress {
  DocumentProgress progress;
  StreamPosition position;
  std::size_t bytes = 0;
};
using PlacedProgressPtr = std::shared_ptr<const PlacedProgress>;
using ProgressMailbox = Mailbox<PlacedProgressPtr>;

struct ProgressHubOptions {
  std::size_t stream_backlog_max = 1'024;
  std::size_t replay_bytes_max = 16U << 20U;
};

// The process's one reader of `document-events` for streams: passes each event to the clients of
// its collection or document and keeps the newest ones in the order in which they came.
// Thread-safe.
class ProgressHub {
 public:
  static Result<std::unique_ptr<ProgressHub>> start(Log& log, const Clock& clock,
                                                    ProgressHubOptions options,
                                                    MetricsRegistry& metrics);

  struct Topic {
    std::string collection;
    std::string document_id;  // empty: every document of the collection
    bool matches(const DocumentRef& document) const;
  };
  struct Subscription {
    std::shared_ptr<ProgressMailbox> live;
    std::vector<PlacedProgressPtr> missed;  // everything after `after`, in order
    bool resumed = false;                   // `after` is still known
  };
  Subscription subscribe(Topic topic, std::optional<StreamPosition> after,
                         boost::asio::any_io_executor executor);
  void unsubscribe(const std::shared_ptr<ProgressMailbox>& live);
  // Up to where the hub has read: what came before a subscription, and so will not come through it.
  Offsets positions() const;
  // The hub has not read that far yet; tables and other replicas may be ahead of it.
  bool is_behind(const StreamPosition& position) const;
  void close_all(const std::string& reason);

 private:
  explicit ProgressHub(ProgressHubOptions options) : options_{options} {}
  void take(const Record& record);

  struct Client {
    Topic topic;
    std::weak_ptr<ProgressMailbox> live;
  };

  const ProgressHubOptions options_;
  Counter slow_clients_;
  mutable std::mutex mutex_;
  std::vector<Offset> next_;  // per partition
  std::deque<PlacedProgressPtr> ring_;
  std::size_t ring_bytes_ = 0;
  std::list<Client> clients_;
  std::string closed_;
  std::unique_ptr<LogTail> tail_;  // last: its thread uses the rest
};

}  // namespace millrace
