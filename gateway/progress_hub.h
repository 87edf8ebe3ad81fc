#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
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
// its collection or document and keeps the newest ones in the order in which they came. An event
// that does not advance its document in its generation (an acceptance that a stage was faster than)
// is left out, so that no client sees a state taken back. Thread-safe.
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
    std::vector<PlacedProgressPtr> missed;  // after `after`, in order; seen ones may be among them
    bool resumed = false;                   // `after` is still known
  };
  Subscription subscribe(Topic topic, std::optional<StreamPosition> after,
                         boost::asio::any_io_executor executor);
  void unsubscribe(const std::shared_ptr<ProgressMailbox>& live);
  // The furthest event of a document in a generation, if the hub has not forgotten it: what a
  // stream has told, and the table may not have yet.
  PlacedProgressPtr newest(const std::string& document_key, int generation) const;
  // Up to where the hub has read: what came before a subscription, and so will not come through it.
  Offsets positions() const;
  // The hub has not read that far yet; tables and other replicas may be ahead of it.
  bool is_behind(const StreamPosition& position) const;
  void close_all(const std::string& reason);

 private:
  explicit ProgressHub(ProgressHubOptions options) : options_{options} {}
  void take(const Record& record);
  void forget(const std::string& key);
  void forget_oldest();
  void forget_before(const DocumentProgress& erased);
  // Where in ring_ that begins which came after `position`; nothing where that is not known. The
  // record itself need not be there: when a state is told twice, compaction leaves one record of
  // the two, and a table that reads at another moment may have met the other one.
  std::optional<std::size_t> place_after(const StreamPosition& position) const;

  struct Client {
    Topic topic;
    std::weak_ptr<ProgressMailbox> live;
  };

  const ProgressHubOptions options_;
  Counter slow_clients_;
  mutable std::mutex mutex_;
  std::vector<Offset> next_;    // per partition
  std::vector<Offset> begins_;  // where it began to read; empty once the ring forgot something
  std::deque<PlacedProgressPtr> ring_;
  std::unordered_map<std::string, PlacedProgressPtr> newest_;  // of those in ring_, by document
  std::size_t ring_bytes_ = 0;
  std::list<Client> clients_;
  std::string closed_;
  std::unique_ptr<LogTail> tail_;  // last: its thread uses the rest
};

}  // namespace millrace
