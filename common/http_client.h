#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/error.h"

namespace millrace {

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http or https, absolute
  std::map<std::string, std::string> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{60'000};  // between two reads or writes
  std::size_t response_bytes_max = 64U << 20U;
};

struct HttpResponse {
  unsigned status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // empty where a body handler took it
};

// Gets each piece of the body as it arrives. False closes the connection: that is how a stream is
// cancelled.
using BodyHandler = std::function<bool(std::string_view piece)>;

// One exchange on a connection of its own; https verifies the server's certificate. Runs on the
// caller's executor, which must be a strand or an io_context run by one thread; cancelling the
// coroutine closes the socket. `unavailable` when it cannot connect or times out, `retryable` when
// it breaks off, is cancelled or answers more than `response_bytes_max`, `rejected` for a bad URL,
// method or header. A response of any status is a success here, as is one that `on_body` stopped.
// `on_body` is called for every piece when set, on any status.
boost::asio::awaitable<Result<HttpResponse>> http_exchange(HttpRequest request,
                                                           BodyHandler on_body = {});

// The same on an io_context of its own, for command-line tools and tests.
Result<HttpResponse> http_exchange_blocking(HttpRequest request, BodyHandler on_body = {});

// Splits a text/event-stream body (WHATWG HTML, section 9.2) into events.
struct ServerSentEvent {
  std::string id;
  std::string event = "message";
  std::string data;
};
class EventStreamParser {
 public:
  using Handler = std::function<bool(const ServerSentEvent&)>;  // false: stop
  explicit EventStreamParser(Handler handler, std::size_t line_bytes_max = 16U << 20U);
  bool feed(std::string_view piece);  // false once the handler said stop, or a line is too long

 private:
  bool line(std::string_view text);
  Handler handler_;
  std::size_t line_bytes_max_;
  std::string buffer_;
  std::string last_id_;
  ServerSentEvent event_;
  bool has_data_ = false;
  bool skip_newline_ = false;
  bool first_line_ = true;  // may begin with a byte order mark
  bool stopped_ = false;
};

}  // namespace millrace
