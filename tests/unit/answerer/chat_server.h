#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace millrace {

// A chat server on loopback: the n-th connection gets the n-th script. Keeps the requests. The
// destructor waits until every script has run.
class ChatServer {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Script = std::function<void(Socket&)>;

  explicit ChatServer(std::vector<Script> scripts)
      : acceptor_{context_, {boost::asio::ip::make_address("127.0.0.1"), 0}},
        thread_{[this, scripts = std::move(scripts)] {
          for (const Script& script : scripts) {
            Socket socket{context_};
            boost::system::error_code error;
            acceptor_.accept(socket, error);
            if (error) return;
            read_request(socket);
            script(socket);
          }
        }} {}

  std::string base_url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/v1";
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock{mutex_};
    return requests_;
  }

  // Returns once a request is here.
  void wait_for_request() const {
    std::unique_lock lock{mutex_};
    arrived_.wait(lock, [this] { return !requests_.empty(); });
  }

  static void send(Socket& socket, std::string_view text) {
    boost::system::error_code error;
    boost::asio::write(socket, boost::asio::buffer(text), error);
  }
  static void wait_for_close(Socket& socket) {
    boost::system::error_code error;
    char byte = 0;
    while (!error) socket.read_some(boost::asio::buffer(&byte, 1), error);
  }

 private:
  void read_request(Socket& socket) {
    std::string text;
    boost::system::error_code error;
    const std::size_t head =
        boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
    const auto at = text.find("Content-Length: ");
    if (at != std::string::npos) {
      const std::size_t body = std::stoul(text.substr(at + 16));
      if (text.size() < head + body) {
        boost::asio::read(socket, boost::asio::dynamic_buffer(text),
                          boost::asio::transfer_exactly(head + body - text.size()), error);
      }
    }
    const std::lock_guard lock{mutex_};
    requests_.push_back(std::move(text));
    arrived_.notify_all();
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

}  // namespace millrace
