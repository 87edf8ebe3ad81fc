#pragma once

#include <deque>
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
#include "schemas/answer.h"

namespace millrace {

// An answer event and where it stands. Shared by the ring and every client that gets it.
struct PlacedAnswer {
  AnswerEvent event;
  StreamPosition position;
  std::size_t bytes = 0;  // of the record: what the ring counts
};
using PlacedAnswerPtr = std::shared_ptr<const PlacedAnswer>;
using AnswerMailbox = Mailbox<PlacedAnswerPtr>;

struct AnswerHubOptions {
  std::size_t stream_backlog_max = 1'024;
  std::size_t replay_bytes_max = 64U << 20U;
};

// The process's one reader of `answers`: passes each event to the clients of its query and keeps
// the newest ones for clients that come later. Thread-safe; nothing in it waits or reads the log.
class AnswerHub {
 public:
  // Reads from the end of the topic as it is now.
  static Result<std::unique_ptr<AnswerHub>> start(Log& log, const Clock& clock,
                                                  AnswerHubOptions options,
                                                  MetricsRegistry& metrics);

  struct Subscription {
    std::shared_ptr<AnswerMailbox> live;  // every event from now on
    std::vector<PlacedAnswerPtr> recent;  // what the ring holds of the query, in order
    bool reaches_back = false;            // the ring holds everything of the query
    Offset next = 0;  // the first offset (of the query's partition) that goes to `live`
    std::int32_t partition = 0;
  };
  // `from`: no event of the query stands before it.
  Subscription subscribe(const std::string& query_id, Offset from,
                         boost::asio::any_io_executor executor);
  void unsubscribe(const std::string& query_id, const std::shared_ptr<AnswerMailbox>& live);

  // One past the last offset the hub has read in the partition: never past the topic's end.
  Offset position(std::int32_t partition) const;
  std::int32_t partitions() const { return static_cast<std::int32_t>(next_.size()); }
  // What stands before these positions is not replayed any more: the log has let go of it.
  void forget_before(const Offsets& positions);
  void close_all(const std::string& reason);  // now and for those who come later

 private:
  explicit AnswerHub(AnswerHubOptions options) : options_{options} {}
  void take(const Record& record);
  void keep_locked(PlacedAnswerPtr placed);
  void forget_locked(const PlacedAnswer& oldest);

  const AnswerHubOptions options_;
  Counter slow_clients_;
  mutable std::mutex mutex_;
  std::vector<Offset> next_;          // per partition
  std::vector<Offset> covered_from_;  // per partition: the ring holds everything from here on
  std::deque<PlacedAnswerPtr> ring_;
  std::size_t ring_bytes_ = 0;
  std::unordered_map<std::string, std::deque<PlacedAnswerPtr>> by_query_;
  std::unordered_map<std::string, std::vector<std::weak_ptr<AnswerMailbox>>> clients_;
  std::string closed_;             // the reason, once close_all() was called
  std::unique_ptr<LogTail> tail_;  // last: its thread uses the rest
};

}  // namespace millrace
