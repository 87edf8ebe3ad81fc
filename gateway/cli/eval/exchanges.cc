#include "gateway/cli/eval/exchanges.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

namespace millrace {

namespace asio = boost::asio;

Exchanges::Exchanges(std::size_t concurrency)
    : concurrency_{concurrency},
      terminal_{::isatty(STDERR_FILENO) == 1},
      signals_{io_, SIGINT, SIGTERM} {
  signals_.async_wait([this](const boost::system::error_code& error, int) {
    if (!error) on_signal();
  });
}

void Exchanges::on_signal() {
  boost::system::error_code ignored;
  signals_.clear(ignored);
  end(rejected("cancelled"));
}

void Exchanges::end(const Error& error) {
  if (!status_) return;
  status_ = error;
  for (asio::cancellation_signal& each : stops_) each.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> Exchanges::work_through(const Work& work) {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (status_ && next_ < count_) {
    const std::size_t index = next_++;
    const Status status = co_await work(index);
    if (status) {
      ++done_;
      draw(false);
    } else {
      end(status.error());
    }
  }
}

Status Exchanges::run(const std::string& what, std::size_t count, const Work& work) {
  if (!status_ || count == 0) return status_;
  what_ = what;
  count_ = count;
  next_ = done_ = 0;
  running_ = std::min(concurrency_, count);
  stops_ = std::vector<asio::cancellation_signal>(running_);
  io_.restart();
  for (asio::cancellation_signal& stop : stops_) {
    auto ended = [this](const std::exception_ptr& thrown) {
      if (thrown) end(fatal("an exchange with the server threw"));
      if (--running_ == 0) io_.stop();  // the wait for signals would go on
    };
    asio::co_spawn(io_, work_through(work), asio::bind_cancellation_slot(stop.slot(), ended));
  }
  io_.run();
  draw(true);
  return status_;
}

void Exchanges::draw(bool last) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r%zu of %zu %s%s", done_, count_, what_.c_str(), last ? "\n" : " ");
  std::fflush(stderr);
}

asio::awaitable<bool> pause_for(std::chrono::milliseconds time) {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return false;
  asio::steady_timer timer{co_await asio::this_coro::executor};
  timer.expires_after(time);
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return !error;
}

}  // namespace millrace
