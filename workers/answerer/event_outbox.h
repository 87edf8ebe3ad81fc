#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/log.h"
#include "schemas/answer.h"

namespace millrace {

// What the outboxes of a pool share. The log may call back when the pool is gone: `io` is null
// then.
struct OutboxHome {
  std::mutex mutex;  // of io
  boost::asio::io_context* io = nullptr;
  LogWriter* writer = nullptr;
  const Clock* clock = nullptr;
  std::chrono::milliseconds write_timeout{60'000};
  std::function<void(const Error&)> on_refused;  // the log has refused for write_timeout
};

// The events of one query on their way to the log: in order, numbered, one append at a time; deltas
// that come while it is under way travel together in the next. An append that fails is tried again
// with a growing pause; readers drop what is stored twice by its index.
// Not thread-safe: of the pool's thread, or of the one that makes it until it is handed over.
class EventOutbox : public std::enable_shared_from_this<EventOutbox> {
 public:
  // `traceparent` and `source`, where the query comes from, are for the records' headers.
  // `on_closed` is called once everything up to the last record is stored.
  EventOutbox(std::shared_ptr<OutboxHome> home, std::string query_id, std::string traceparent,
              std::string source, std::function<void()> on_closed);

  void set_attempt(std::int32_t attempt) { attempt_ = attempt; }
  std::int32_t attempt() const { return attempt_; }
  void add(AnswerEvent event);  // query id, attempt and index are filled in
  void add_delta(std::string_view text);
  void add_record(Record record);   // of another topic
  void close() { closed_ = true; }  // nothing follows
  void flush();                     // hands to the log what is there. Last thing to do with it
  void abandon();                   // writes nothing more, calls nobody

 private:
  void seal();
  void appended(const Status& status);
  void retry(const Error& error);

  const std::shared_ptr<OutboxHome> home_;
  const std::string query_id_;
  const std::string traceparent_;
  const std::string source_;
  std::function<void()> on_closed_;

  std::int32_t attempt_ = 1;
  std::int32_t next_index_ = 0;
  std::string pending_text_;       // deltas that are no record yet
  std::vector<Record> waiting_;    // not yet handed to the log
  std::vector<Record> in_append_;  // handed to it
  bool append_in_flight_ = false;  // or waiting to be tried again
  bool closed_ = false;
  boost::asio::steady_timer retry_;
  std::chrono::milliseconds backoff_;
  std::optional<Clock::Steady> refused_since_;
};

}  // namespace millrace
