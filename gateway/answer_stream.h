#pragma once

#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/answer_hub.h"

namespace millrace {

// Lets through each event of a query once: drops what belongs to a lower attempt and what is a
// repetition, and everything after the last event.
class AnswerFilter {
 public:
  bool pass(const AnswerEvent& event);
  bool ended() const { return ended_; }

 private:
  std::int32_t attempt_ = 0;
  std::int32_t next_index_ = 0;
  bool ended_ = false;
};

// All events of one query from a position on: first what was, out of the hub's ring or, where that
// does not reach back, out of the log; then what comes. Used by one coroutine; cancel() from any
// thread. `hub`, `log` and `pool` outlive it.
class AnswerStream {
 public:
  AnswerStream(AnswerHub& hub, Log& log, boost::asio::thread_pool& pool, std::string query_id)
      : hub_{hub}, log_{log}, pool_{pool}, query_id_{std::move(query_id)} {}
  ~AnswerStream();
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;

  // Subscribes and reads what was. Once, before next(). Events up to `after` are passed over.
  boost::asio::awaitable<Status> open(std::optional<StreamPosition> after);

  struct Batch {
    std::vector<PlacedAnswerPtr> events;
    bool ended = false;
    std::string reason;  // why it ended where the query has not: "slow_client", "shutting_down"
  };
  boost::asio::awaitable<Batch> next(std::chrono::milliseconds wait);
  void cancel();
  bool saw_any() const { return saw_any_; }

 private:
  void feed(const std::vector<PlacedAnswerPtr>& events, std::vector<PlacedAnswerPtr>& out);

  AnswerHub& hub_;
  Log& log_;
  boost::asio::thread_pool& pool_;
  const std::string query_id_;
  std::shared_ptr<AnswerMailbox> live_;
  std::optional<StreamPosition> after_;
  std::vector<PlacedAnswerPtr> replay_;  // not handed out yet
  AnswerFilter filter_;
  bool saw_any_ = false;
};

// Events of one query between two offsets of its partition, in order. Blocks; bounded by time and
// bytes. `unavailable` when a bound is hit.
Result<std::vector<PlacedAnswerPtr>> read_answers(Log& log, const std::string& query_id,
                                                  std::int32_t partition, Offset from,
                                                  Offset until);

}  // namespace millrace
