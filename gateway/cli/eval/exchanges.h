#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "common/error.h"

namespace millrace {

// Runs many exchanges with a server, a bounded number at a time, on the caller's thread. From its
// construction on SIGINT and SIGTERM end what runs, so that the caller can tidy up; a second one
// ends the process.
class Exchanges {
 public:
  // What is to be done for the index-th of them.
  using Work = std::function<boost::asio::awaitable<Status>(std::size_t index)>;

  explicit Exchanges(std::size_t concurrency);

  // Ends at the first failure, which this and every later call returns. `what` names the work in
  // the line of progress that a terminal gets on standard error: "searched".
  Status run(const std::string& what, std::size_t count, const Work& work);

 private:
  boost::asio::awaitable<void> work_through(const Work& work);
  void on_signal();
  void end(const Error& error);
  void draw(bool last);

  const std::size_t concurrency_;
  const bool terminal_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  std::vector<boost::asio::cancellation_signal> stops_;  // one per coroutine
  Status status_;
  std::string what_;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
  std::size_t running_ = 0;
};

// Waits within such work; false at once when it is to end.
boost::asio::awaitable<bool> pause_for(std::chrono::milliseconds time);

}  // namespace millrace
