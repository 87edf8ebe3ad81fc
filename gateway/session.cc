#include "gateway/session.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "common/ids.h"
#include "common/logging.h"
#include "gateway/admission.h"
#include "gateway/deadline.h"
#include "gateway/request_trace.h"
#include "gateway/sse_writer.h"

namespace millrace {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::buffer_body>;

constexpr auto kTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kReadAheadBytes = 64U << 10U;  // beyond the head, in the connection's buffer
constexpr std::size_t kPieceBytes = 64U << 10U;
// Many clients send all of a body before they read why it is refused, so it is read and dropped:
// while it keeps coming, and within these bounds.
constexpr std::chrono::milliseconds kLingerTimeout{2'000};
constexpr std::chrono::seconds kLingerTimeMax{30};
constexpr std::size_t kLingerBytesMax = 256U << 20U;

Problem with_status(unsigned status, std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = status;
  problem.close = true;
  return problem;
}

// What to answer when the parser gave up; empty: the client is gone.
std::optional<Problem> parse_problem(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return with_status(431, "the request's head is too large");
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return with_status(400, "this is not a valid HTTP request: " + error.message());
  }
  return std::nullopt;
}

RequestHead head_of(const Parser& parser) {
  RequestHead head;
  const auto& message = parser.get();
  head.method = message.method_string();
  head.target = message.target();
  head.http_1_1 = message.version() >= 11;
  for (const auto& field : message) {
    std::string name{field.name_string()};
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (name == "host") ++head.hosts;
    head.fields.emplace_back(std::move(name), std::string{field.value()});
  }
  if (const auto length = parser.content_length()) head.content_length = *length;
  head.has_body = parser.chunked() || head.content_length.value_or(0) > 0;
  return head;
}

// One request on its way through the session.
struct Exchange {
  std::string id;
  const Route* route = nullptr;
  Clock::Steady began{};
  RequestTrace trace;
  std::string trace_id;  // for the log
  bool http_1_1 = true;
  bool head_only = false;
  bool keep_alive = false;
};

class HttpSession final : public Session,
                          public ByteSink,
                          public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(net::ip::tcp::socket socket, SessionShared shared)
      : socket_{std::move(socket)},
        deadline_{std::make_shared<Deadline>(socket_)},
        shared_{shared},
        options_{shared.services.options},
        buffer_{options_.header_bytes_max + kReadAheadBytes} {}

  net::awaitable<void> run() override {
    // No co_await within && or ||: g++ 12 destroys the temporaries of the side not taken.
    while (!draining_) {
      const bool requested = co_await wait_for_request();
      if (!requested) break;
      const bool again = co_await exchange();
      if (!again) break;
    }
    co_await close_gently();
  }

  void drain() override {
    net::post(socket_.get_executor(), [self = shared_from_this()] {
      self->draining_ = true;
      error_code ignored;
      if (self->idle_) self->socket_.cancel(ignored);
    });
  }

  void abort() override {
    net::post(socket_.get_executor(), [self = shared_from_this()] {
      self->draining_ = true;
      error_code ignored;
      self->socket_.close(ignored);
    });
  }

  // ByteSink: one chunk of the stream that is being sent.
  net::awaitable<bool> send(std::string bytes) override {
    deadline_->expect_within(options_.body_timeout);
    error_code error;
    std::size_t sent = 0;
    if (chunked_) {
      std::tie(error, sent) =
          co_await net::async_write(socket_, http::make_chunk(net::buffer(bytes)), kTuple);
    } else {
      std::tie(error, sent) = co_await net::async_write(socket_, net::buffer(bytes), kTuple);
    }
    deadline_->relax();
    co_return !error;
  }

 private:
  net::awaitable<bool> wait_for_request();
  net::awaitable<bool> exchange();
  net::awaitable<bool> refuse_head(const error_code& error, Exchange& current);
  net::awaitable<Response> handle(Exchange& current, Admitted& admitted);
  // Status 0: the client is gone.
  net::awaitable<std::optional<Problem>> read_body(Parser& parser, Admitted& admitted,
                                                   UploadBudget::Share& share);
  net::awaitable<bool> invite_body(const Request& request, const Exchange& current);
  net::awaitable<bool> respond(Exchange& current, Response response);
  net::awaitable<bool> send_stream(Exchange& current, Response response);
  net::awaitable<void> close_gently();
  void add_fields(http::fields& out, const Exchange& current, const Response& response) const;
  void watch_for_close();
  void record(Exchange& current, unsigned status);

  net::ip::tcp::socket socket_;
  std::shared_ptr<Deadline> deadline_;
  const SessionShared shared_;
  const GatewayOptions& options_;
  beast::flat_buffer buffer_;
  bool idle_ = false;
  bool draining_ = false;
  bool unread_ = false;   // of a body: the connection must linger
  bool chunked_ = false;  // the stream being sent
  EventSource* streaming_ = nullptr;
  std::array<char, 512> scratch_{};
};

net::awaitable<bool> HttpSession::wait_for_request() {
  if (buffer_.size() > 0) co_return true;  // the next one is here already
  idle_ = true;
  deadline_->expect_within(options_.idle_timeout);
  const auto [error, bytes] = co_await socket_.async_read_some(buffer_.prepare(4096), kTuple);
  deadline_->relax();
  idle_ = false;
  buffer_.commit(bytes);
  co_return !error;
}

net::awaitable<bool> HttpSession::exchange() {
  Exchange current;
  current.began = shared_.services.clock.now();
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
  parser.body_limit(boost::none);  // read_body() counts
  deadline_->expect_within(options_.header_timeout);
  const auto [error, bytes] = co_await http::async_read_header(socket_, buffer_, parser, kTuple);
  deadline_->relax();
  if (error) co_return co_await refuse_head(error, current);
  RequestHead head = head_of(parser);
  current.id = request_id(head, shared_.services.clock);
  current.http_1_1 = head.http_1_1;
  current.keep_alive = parser.keep_alive() && !draining_;
  current.head_only = head.method == "HEAD";
  unread_ = head.has_body;
  current.trace = RequestTrace{shared_.tracer, head, current.began};
  current.trace_id = trace_id_of(head.traceparent);
  auto admitted = admit(std::move(head), shared_, current.route);
  if (!admitted) {
    current.keep_alive = current.keep_alive && !unread_;
    co_return co_await respond(current, Response{admitted.error()});
  }
  admitted->request.id = current.id;
  UploadBudget::Share share{shared_.budget};
  if (unread_) {
    if (!co_await invite_body(admitted->request, current)) co_return false;
    auto wrong = co_await read_body(parser, *admitted, share);
    if (wrong && wrong->status == 0) co_return false;
    if (wrong) {
      current.keep_alive = false;
      co_return co_await respond(current, Response{std::move(*wrong)});
    }
    unread_ = false;
  }
  Response response = co_await handle(current, *admitted);
  if (response.stream && !current.head_only) {
    co_return co_await send_stream(current, std::move(response));
  }
  co_return co_await respond(current, std::move(response));
}

net::awaitable<bool> HttpSession::refuse_head(const error_code& error, Exchange& current) {
  std::optional<Problem> problem = parse_problem(error);
  if (deadline_->timed_out())
    problem = with_status(408, "the request's head did not arrive in time");
  if (!problem) co_return false;
  current.id = new_ulid(shared_.services.clock);
  unread_ = true;
  co_return co_await respond(current, Response{std::move(*problem)});
}

net::awaitable<bool> HttpSession::invite_body(const Request& request, const Exchange& current) {
  if (request.field("expect").empty() || !current.http_1_1) co_return true;
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  deadline_->expect_within(options_.body_timeout);
  const auto [error, bytes] =
      co_await net::async_write(socket_, net::buffer(kContinue.data(), kContinue.size()), kTuple);
  deadline_->relax();
  co_return !error;
}

net::awaitable<std::optional<Problem>> HttpSession::read_body(Parser& parser, Admitted& admitted,
                                                              UploadBudget::Share& share) {
  std::vector<char> piece(kPieceBytes);
  std::string& body = admitted.request.body;
  while (!parser.is_done()) {
    auto& target = parser.get().body();
    target.data = piece.data();
    target.size = piece.size();
    deadline_->expect_within(options_.body_timeout);
    auto [error, bytes] = co_await http::async_read_some(socket_, buffer_, parser, kTuple);
    deadline_->relax();
    if (error == http::error::need_buffer) error = {};
    if (error && deadline_->timed_out()) {
      co_return with_status(408, "the body stopped arriving");
    }
    if (error) {
      Problem gone;
      gone.status = 0;
      co_return parse_problem(error).value_or(gone);
    }
    const std::size_t got = piece.size() - parser.get().body().size;
    if (body.size() + got > admitted.body_bytes_max) {
      co_return with_status(413, "the body is larger than the " +
                                     std::to_string(admitted.body_bytes_max) +
                                     " bytes that this route takes");
    }
    if (!share.take(got)) {
      Problem full = busy("too many uploads are in flight; try again");
      full.close = true;
      co_return full;
    }
    body.append(piece.data(), got);
  }
  co_return std::nullopt;
}

net::awaitable<Response> HttpSession::handle(Exchange& current, Admitted& admitted) {
  shared_.probe.in_flight.add(1);
  Response response;
  try {
    response = co_await admitted.route->handler(admitted.request, shared_.services);
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "handler_failed",
              {{"route", current.route->path},
               {"request_id", current.id},
               {"trace_id", current.trace_id},
               {"error", error.what()}});
    response =
        Response{with_status(500, "something went wrong here; the request id is in the log")};
  }
  shared_.probe.in_flight.add(-1);
  co_return response;
}

void HttpSession::add_fields(http::fields& out, const Exchange& current,
                             const Response& response) const {
  out.set(http::field::server, "millrace");
  out.set("X-Request-Id", current.id);
  out.set("X-Content-Type-Options", "nosniff");
  out.set(http::field::cache_control, "no-store");
  for (const auto& [name, value] : response.fields) out.set(name, value);
}

void HttpSession::record(Exchange& current, unsigned status) {
  current.trace.finish(current.route, status);
  const auto took = shared_.services.clock.now() - current.began;
  shared_.probe.finished(current.route != nullptr ? current.route->path : "unmatched", status,
                         took);
}

net::awaitable<bool> HttpSession::respond(Exchange& current, Response response) {
  if (response.problem) {
    response.content_type = "application/problem+json";
    response.body = response.problem->json(current.id);
    response.fields = response.problem->fields;
    current.keep_alive = current.keep_alive && !response.problem->close;
  }
  if (response.stream) response.content_type = "text/event-stream";  // HEAD of a stream
  current.keep_alive = current.keep_alive && !draining_;
  http::response<http::string_body> message;
  message.version(current.http_1_1 ? 11 : 10);
  message.result(response.status);
  message.reason(std::string{reason_phrase(response.status)});
  add_fields(message, current, response);
  message.set(http::field::content_type, response.content_type);
  message.keep_alive(current.keep_alive);
  const std::size_t length = response.body.size();
  if (!current.head_only) message.body() = std::move(response.body);
  message.content_length(length);
  deadline_->expect_within(options_.idle_timeout);
  http::response_serializer<http::string_body> serializer{message};
  const auto [error, bytes] = co_await http::async_write(socket_, serializer, kTuple);
  deadline_->relax();
  record(current, response.status);
  co_return !error && current.keep_alive;
}

net::awaitable<bool> HttpSession::send_stream(Exchange& current, Response response) {
  response.fields.emplace_back("X-Accel-Buffering", "no");
  chunked_ = current.http_1_1;
  http::response<http::empty_body> message;
  message.version(current.http_1_1 ? 11 : 10);
  message.result(200);
  add_fields(message, current, response);
  message.set(http::field::content_type, "text/event-stream");
  message.keep_alive(false);
  if (chunked_) message.chunked(true);
  http::response_serializer<http::empty_body> serializer{message};
  deadline_->expect_within(options_.idle_timeout);
  const auto [error, bytes] = co_await http::async_write_header(socket_, serializer, kTuple);
  deadline_->relax();
  if (error) co_return false;
  shared_.probe.streams.add(1);
  streaming_ = response.stream.get();
  watch_for_close();
  SseWriter writer{*this};
  bool whole = false;
  try {
    whole = co_await pump_events(*response.stream, writer, kSseHeartbeat);
  } catch (const std::exception& failure) {
    log_event(
        LogLevel::error, "stream_failed",
        {{"request_id", current.id}, {"trace_id", current.trace_id}, {"error", failure.what()}});
  }
  streaming_ = nullptr;
  shared_.probe.streams.add(-1);
  record(current, 200);
  if (whole && chunked_) {
    deadline_->expect_within(options_.body_timeout);
    co_await net::async_write(socket_, http::make_chunk_last(), kTuple);
    deadline_->relax();
  }
  co_return false;
}

// Reads, only to learn that the client has gone; what it sends into a stream is dropped.
void HttpSession::watch_for_close() {
  socket_.async_read_some(net::buffer(scratch_),
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                            if (self->streaming_ == nullptr) return;
                            if (!error) {
                              self->watch_for_close();
                            } else if (error != net::error::operation_aborted) {
                              self->streaming_->cancel();
                            }
                          });
}

net::awaitable<void> HttpSession::close_gently() {
  error_code ignored;
  socket_.cancel(ignored);
  socket_.shutdown(net::ip::tcp::socket::shutdown_send, ignored);
  // Closing on unread bytes would reset the connection and take our answer with it.
  std::size_t dropped = 0;
  std::vector<char> piece(unread_ ? kPieceBytes : 0);
  const auto until = shared_.services.clock.now() + kLingerTimeMax;
  while (unread_ && !draining_ && dropped < kLingerBytesMax &&
         shared_.services.clock.now() < until) {
    deadline_->expect_within(kLingerTimeout);
    const auto [error, bytes] = co_await socket_.async_read_some(net::buffer(piece), kTuple);
    deadline_->relax();
    if (error) break;
    dropped += bytes;
  }
  socket_.close(ignored);
}

}  // namespace

std::shared_ptr<Session> make_session(net::ip::tcp::socket socket, SessionShared shared) {
  return std::make_shared<HttpSession>(std::move(socket), shared);
}

}  // namespace millrace
