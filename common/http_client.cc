#include "common/http_client.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "common/clock.h"
#include "common/http_url.h"

namespace millrace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kResponseHeaderBytesMax = 64U * 1024;
constexpr std::size_t kPieceBytes = 16U * 1024;
constexpr int kInterimResponsesMax = 8;  // "103 Early Hints" and their like

// What is being done, for messages and for the kind of an error.
struct Exchange {
  HttpRequest request;
  HttpUrl url;
  BodyHandler on_body;
  Clock::Steady connect_deadline;

  std::string what() const { return request.method + " " + url.shown(); }
};

bool is_timeout(error_code error) { return error == beast::error::timeout; }

Error cancelled(const Exchange& exchange) { return retryable(exchange.what() + ": cancelled"); }

// A wait begun after the cancellation would not notice it.
asio::awaitable<bool> is_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

Error connect_error(const Exchange& exchange, error_code error) {
  if (error == asio::error::operation_aborted) return cancelled(exchange);
  const std::string why =
      is_timeout(error)
          ? "timed out after " + std::to_string(exchange.request.connect_timeout.count()) + " ms"
          : error.message();
  return unavailable(exchange.what() + ": cannot connect: " + why);
}

Error transfer_error(const Exchange& exchange, std::string_view doing, error_code error) {
  if (error == asio::error::operation_aborted) return cancelled(exchange);
  const std::string prefix = exchange.what() + ": " + std::string{doing} + ": ";
  if (is_timeout(error)) {
    return unavailable(prefix + "timed out after " +
                       std::to_string(exchange.request.idle_timeout.count()) + " ms");
  }
  if (error == http::error::body_limit) {
    return retryable(prefix + "longer than " + std::to_string(exchange.request.response_bytes_max) +
                     " bytes");
  }
  return retryable(prefix + error.message());
}

// Built once: reading the certificates of the system takes milliseconds.
Result<asio::ssl::context*> tls_context() {
  struct Context {
    asio::ssl::context tls{asio::ssl::context::tls_client};
    error_code error;
    Context() {
      tls.set_default_verify_paths(error);
      if (!error) tls.set_verify_mode(asio::ssl::verify_peer, error);
      SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    }
  };
  static Context context;
  if (context.error) return unavailable("TLS certificates: " + context.error.message());
  return &context.tls;
}

// getaddrinfo cannot be interrupted, so the caller waits on a timer that the resolver ends, and
// leaves the resolver alone when time is up.
struct Resolution {
  explicit Resolution(const asio::any_io_executor& executor) : resolver{executor}, done{executor} {}
  tcp::resolver resolver;
  asio::steady_timer done;
  bool finished = false;
  error_code error;
  tcp::resolver::results_type endpoints;
};

asio::awaitable<Result<tcp::resolver::results_type>> resolve(const Exchange& exchange) {
  const HttpUrl& url = exchange.url;
  const auto executor = co_await asio::this_coro::executor;
  auto resolution = std::make_shared<Resolution>(executor);
  resolution->done.expires_at(exchange.connect_deadline);
  resolution->resolver.async_resolve(
      url.host, url.port,
      asio::bind_executor(executor, [resolution](error_code error, auto endpoints) {
        resolution->finished = true;
        resolution->error = error;
        resolution->endpoints = std::move(endpoints);
        resolution->done.cancel();
      }));
  co_await resolution->done.async_wait(kTuple);
  if (co_await is_cancelled()) co_return cancelled(exchange);
  if (!resolution->finished) co_return connect_error(exchange, beast::error::timeout);
  if (resolution->error) co_return connect_error(exchange, resolution->error);
  co_return resolution->endpoints;
}

asio::awaitable<Status> connect(beast::tcp_stream& stream, const Exchange& exchange) {
  const auto endpoints = co_await resolve(exchange);
  if (!endpoints) co_return endpoints.error();
  if (system_clock().now() >= exchange.connect_deadline) {  // Beast would try all the same
    co_return connect_error(exchange, beast::error::timeout);
  }
  stream.expires_at(exchange.connect_deadline);
  const auto [error, endpoint] = co_await stream.async_connect(*endpoints, kTuple);
  if (error) co_return connect_error(exchange, error);
  error_code ignored;  // a delayed segment is slower, not wrong
  stream.socket().set_option(tcp::no_delay{true}, ignored);
  co_return Status{};
}

asio::awaitable<Status> handshake(beast::ssl_stream<beast::tcp_stream>& stream,
                                  const Exchange& exchange) {
  const std::string& host = exchange.url.host;
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  // Server Name Indication is for names only (RFC 6066).
  if (not_an_address && SSL_set_tlsext_host_name(stream.native_handle(), host.c_str()) != 1) {
    co_return unavailable(exchange.what() + ": TLS refuses the host name");
  }
  stream.set_verify_callback(asio::ssl::host_name_verification{host});
  beast::get_lowest_layer(stream).expires_at(exchange.connect_deadline);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kTuple);
  if (error) co_return connect_error(exchange, error);
  co_return Status{};
}

http::request<http::string_body> message_of(Exchange& exchange) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(exchange.request.method);
  message.target(exchange.url.target);
  message.set(http::field::host, exchange.url.host_header());
  message.set(http::field::user_agent, "millrace/" MILLRACE_VERSION);
  for (const auto& [name, value] : exchange.request.headers) message.set(name, value);
  message.set(http::field::connection, "close");
  message.body() = std::move(exchange.request.body);
  message.prepare_payload();
  return message;
}

void keep_header(const Parser& parser, HttpResponse& response) {
  response.status = parser.get().result_int();
  for (const auto& field : parser.get()) {
    std::string name{field.name_string()};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::string& value = response.headers[name];
    if (!value.empty()) value += ", ";
    value += std::string_view{field.value().data(), field.value().size()};
  }
}

// Hands on each piece as it comes; false of the handler ends it early, as a success.
template <class Stream>
asio::awaitable<Status> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                                  const Exchange& exchange, HttpResponse& response) {
  std::array<char, kPieceBytes> piece;
  while (!parser.is_done()) {
    if (co_await is_cancelled()) co_return cancelled(exchange);
    auto& body = parser.get().body();
    body.data = piece.data();
    body.size = piece.size();
    body.more = true;
    beast::get_lowest_layer(stream).expires_after(exchange.request.idle_timeout);
    auto [error, bytes] = co_await http::async_read_some(stream, buffer, parser, kTuple);
    if (error == http::error::need_buffer) error = {};
    const std::string_view arrived{piece.data(), piece.size() - body.size};
    if (!arrived.empty()) {
      if (!exchange.on_body) {
        response.body += arrived;
      } else if (!exchange.on_body(arrived)) {
        co_return Status{};
      }
    }
    if (error) co_return transfer_error(exchange, "response body", error);
  }
  co_return Status{};
}

template <class Stream>
asio::awaitable<Result<HttpResponse>> transfer(Stream& stream, Exchange& exchange) {
  const auto message = message_of(exchange);
  auto& socket = beast::get_lowest_layer(stream);
  socket.expires_after(exchange.request.idle_timeout);
  const auto [sent_error, sent] = co_await http::async_write(stream, message, kTuple);
  // A server may refuse a body before it has read all of it: what it said counts then.
  const bool broken =
      sent_error == asio::error::broken_pipe || sent_error == asio::error::connection_reset;
  if (sent_error && !broken) co_return transfer_error(exchange, "sending", sent_error);

  beast::flat_buffer buffer;
  std::optional<Parser> parser;
  for (int interim = 0; interim < kInterimResponsesMax; ++interim) {
    parser.emplace();
    parser->header_limit(kResponseHeaderBytesMax);
    parser->body_limit(exchange.request.response_bytes_max);
    parser->skip(exchange.request.method == "HEAD");
    socket.expires_after(exchange.request.idle_timeout);
    const auto [error, bytes] = co_await http::async_read_header(stream, buffer, *parser, kTuple);
    if (error) {
      co_return transfer_error(exchange, broken ? "sending" : "response header",
                               broken ? sent_error : error);
    }
    if (parser->get().result_int() >= 200) break;
  }
  HttpResponse response;
  keep_header(*parser, response);
  const Status read = co_await read_body(stream, buffer, *parser, exchange, response);
  if (!read) co_return read.error();
  co_return response;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kToken =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
  return !text.empty() && text.find_first_not_of(kToken) == std::string_view::npos;
}

// Beast writes what it is given: a line break in a header would begin another.
Status check(const HttpRequest& request) {
  if (!is_token(request.method)) return rejected("HTTP method is not a word");
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return rejected("HTTP header name is not a word");
    if (beast::iequals(name, "Content-Length") || beast::iequals(name, "Transfer-Encoding")) {
      return rejected("HTTP header " + name + " is for the client to set");
    }
    const bool controls = std::any_of(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7F';
    });
    if (controls) return rejected("HTTP header " + name + " has control characters");
  }
  return {};
}

asio::awaitable<Result<HttpResponse>> run(Exchange& exchange) {
  const auto executor = co_await asio::this_coro::executor;
  if (!exchange.url.tls) {
    beast::tcp_stream stream{executor};
    const Status connected = co_await connect(stream, exchange);
    if (!connected) co_return connected.error();
    co_return co_await transfer(stream, exchange);
  }
  const auto context = tls_context();
  if (!context) co_return context.error();
  beast::ssl_stream<beast::tcp_stream> stream{executor, **context};
  const Status connected = co_await connect(beast::get_lowest_layer(stream), exchange);
  if (!connected) co_return connected.error();
  const Status shaken = co_await handshake(stream, exchange);
  if (!shaken) co_return shaken.error();
  co_return co_await transfer(stream, exchange);
}

}  // namespace

asio::awaitable<Result<HttpResponse>> http_exchange(HttpRequest request, BodyHandler on_body) {
  const Status checked = check(request);
  if (!checked) co_return checked.error();
  auto url = parse_http_url(request.url);
  if (!url) co_return url.error();
  const auto deadline = system_clock().now() + request.connect_timeout;
  Exchange exchange{std::move(request), *std::move(url), std::move(on_body), deadline};
  // A cancellation is a return value here; without this the wait after it would throw.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  std::optional<Result<HttpResponse>> result;
  try {
    result.emplace(co_await run(exchange));
  } catch (const std::exception& error) {
    result.emplace(retryable(exchange.what() + ": " + error.what()));
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return *std::move(result);
}

Result<HttpResponse> http_exchange_blocking(HttpRequest request, BodyHandler on_body) {
  asio::io_context context{1};
  Result<HttpResponse> result = fatal("the exchange did not finish");
  asio::co_spawn(context, http_exchange(std::move(request), std::move(on_body)),
                 [&](const std::exception_ptr& error, Result<HttpResponse> outcome) {
                   result = error ? Result<HttpResponse>{fatal("HTTP exchange threw")}
                                  : std::move(outcome);
                   context.stop();  // a resolver may be left behind
                 });
  context.run();
  return result;
}

}  // namespace millrace
