#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace millrace {

// Accepts one connection on loopback and runs a script on it, on a thread of its own; closes the
// connection when the script ends. The destructor waits for the script.
class ScriptedServer {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  explicit ScriptedServer(std::function<void(Socket&)> script)
      : acceptor_{context_, {boost::asio::ip::make_address("127.0.0.1"), 0}},
        thread_{[this, script = std::move(script)] {
          Socket socket{context_};
          boost::system::error_code error;
          acceptor_.accept(socket, error);
          if (!error) script(socket);
        }} {}

  std::string url(std::string_view target) const {
    return "http://127.0.0.1:" + port() + std::string{target};
  }
  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::jthread thread_;
};

// Everything up to the blank line behind the header (and what came with it).
template <class Stream>
std::string read_request(Stream& stream) {
  std::string text;
  boost::system::error_code error;
  boost::asio::read_until(stream, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
  return text;
}

template <class Stream>
void send(Stream& stream, std::string_view text) {
  boost::system::error_code error;  // the client may have gone
  boost::asio::write(stream, boost::asio::buffer(text), error);
}

// Blocks until the other side closes.
template <class Stream>
void wait_for_close(Stream& stream) {
  boost::system::error_code error;
  std::array<char, 4096> ignored;
  while (!error) stream.read_some(boost::asio::buffer(ignored), error);
}

}  // namespace millrace
