#include "gateway/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/logging.h"

namespace millrace {
namespace {

using boost::system::error_code;
using Tcp = net::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{50};  // when descriptors have run out
constexpr std::chrono::milliseconds kAbortWait{2'000};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(net::io_context& io, const Tcp::endpoint& address,
                                              SessionShared shared) {
  std::unique_ptr<Server> server{new Server{io, shared}};
  error_code error;
  server->acceptor_.open(address.protocol(), error);
  if (!error) server->acceptor_.set_option(net::socket_base::reuse_address{true}, error);
  if (!error) server->acceptor_.bind(address, error);
  if (!error) server->acceptor_.listen(net::socket_base::max_listen_connections, error);
  if (error) {
    return rejected("listen on " + address.address().to_string() + ":" +
                    std::to_string(address.port()) + ": " + error.message());
  }
  server->port_ = server->acceptor_.local_endpoint().port();
  net::co_spawn(io, server->accept_loop(), net::detached);
  return server;
}

net::awaitable<void> Server::accept_loop() {
  net::steady_timer pause{io_};
  for (;;) {
    auto [error, socket] =
        co_await acceptor_.async_accept(net::make_strand(io_), net::as_tuple(net::use_awaitable));
    if (error == net::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (error) {
      log_event(LogLevel::warning, "accept_failed", {{"error", error.message()}});
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(net::as_tuple(net::use_awaitable));
      continue;
    }
    admit(std::move(socket));
  }
}

void Server::admit(Tcp::socket socket) {
  error_code ignored;
  socket.set_option(Tcp::no_delay{true}, ignored);
  const auto executor = socket.get_executor();
  std::uint64_t number = 0;
  std::shared_ptr<Session> session;
  {
    const std::lock_guard lock{mutex_};
    if (stopping_ || sessions_.size() >= shared_.services.options.connections_max) {
      shared_.probe.connections_refused.add();
      return;  // the socket closes
    }
    session = make_session(std::move(socket), shared_);
    number = next_++;
    sessions_.emplace(number, session);
  }
  shared_.probe.connections.add(1);
  net::co_spawn(executor, run(std::move(session), number), net::detached);
}

net::awaitable<void> Server::run(std::shared_ptr<Session> session, std::uint64_t number) {
  try {
    co_await session->run();
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "session_failed", {{"error", error.what()}});
  }
  session.reset();
  shared_.probe.connections.add(-1);
  const std::lock_guard lock{mutex_};
  sessions_.erase(number);
  closed_.notify_all();
}

void Server::for_each(void (Session::*action)()) {
  const std::lock_guard lock{mutex_};
  for (const auto& [number, weak] : sessions_) {
    if (const auto session = weak.lock()) (session.get()->*action)();
  }
}

bool Server::wait_until_empty(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  return closed_.wait_for(lock, limit, [this] { return sessions_.empty(); });
}

void Server::stop(std::chrono::milliseconds grace) {
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(stopping_, true)) return;
  }
  net::post(acceptor_.get_executor(), [this] {
    error_code ignored;
    acceptor_.close(ignored);
  });
  for_each(&Session::drain);
  if (wait_until_empty(grace)) return;
  for_each(&Session::abort);
  wait_until_empty(kAbortWait);
}

}  // namespace millrace
