#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "common/log/log.h"

namespace millrace {

// LogWriter for coroutines. Outlives the coroutines that wait on it; wait_idle() before their
// io_context goes, because the log still holds their handlers.
class Appender {
 public:
  explicit Appender(std::unique_ptr<LogWriter> writer) : writer_{std::move(writer)} {}
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;
  ~Appender() { wait_idle(); }

  // Comes back once the log has the records, or says why not.
  boost::asio::awaitable<Result<std::vector<Position>>> append(std::vector<Record> records);
  void wait_idle();

 private:
  void finished();

  std::unique_ptr<LogWriter> writer_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t unfinished_ = 0;
};

}  // namespace millrace
