#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "gateway/session.h"

namespace millrace {

// The accept loop and the connections it made. Runs on the io_context's threads.
class Server {
 public:
  // Binds and listens; `rejected` when the address cannot be had.
  static Result<std::unique_ptr<Server>> start(boost::asio::io_context& io,
                                               const boost::asio::ip::tcp::endpoint& address,
                                               SessionShared shared);
  std::uint16_t port() const { return port_; }

  // Stops accepting, closes idle connections, waits up to `grace` for the others, closes them.
  void stop(std::chrono::milliseconds grace);

 private:
  Server(boost::asio::io_context& io, SessionShared shared)
      : io_{io}, acceptor_{io}, shared_{shared} {}
  net::awaitable<void> accept_loop();
  net::awaitable<void> run(std::shared_ptr<Session> session, std::uint64_t number);
  void admit(boost::asio::ip::tcp::socket socket);
  void for_each(void (Session::*action)());
  bool wait_until_empty(std::chrono::milliseconds limit);

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  const SessionShared shared_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable closed_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Session>> sessions_;
  std::uint64_t next_ = 0;
  bool stopping_ = false;
};

}  // namespace millrace
