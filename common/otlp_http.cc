#include "common/otlp_http.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <utility>

#include "common/http_client.h"
#include "common/json.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kResponseBytesMax = 64U << 10U;
constexpr std::string_view kTracesPath = "/v1/traces";

// In seconds (RFC 9110, section 10.2.3); dates are passed over.
std::optional<std::chrono::milliseconds> retry_after(const HttpResponse& response) {
  const auto header = response.headers.find("retry-after");
  if (header == response.headers.end()) return std::nullopt;
  const std::string& text = header->second;
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds{seconds};
}

// A 64-bit integer is a string in this encoding; some collectors send a number.
std::int64_t rejected_spans(const std::string& body) {
  const auto document = json::Document::parse(body);
  if (!document) return 0;
  const json::Value count = document->root().member("partialSuccess").member("rejectedSpans");
  if (count.is_integer()) return count.as_integer();
  if (!count.is_string()) return 0;
  std::int64_t number = 0;
  const std::string_view text = count.as_string();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// One exchange on the calling thread, closed when time is up or `stop` is requested.
Result<HttpResponse> exchange(HttpRequest request, std::chrono::milliseconds timeout,
                              const std::stop_token& stop) {
  asio::io_context io{1};
  asio::cancellation_signal cancel;
  asio::steady_timer deadline{io, timeout};
  Result<HttpResponse> result = retryable(request.method + " " + request.url + ": not finished");
  deadline.async_wait([&](const boost::system::error_code& code) {
    if (!code) cancel.emit(asio::cancellation_type::terminal);
  });
  asio::co_spawn(io, http_exchange(std::move(request)),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&](const std::exception_ptr& error, Result<HttpResponse> got) {
                       if (!error) result = std::move(got);
                       io.stop();  // a resolver may be left behind
                     }));
  const std::stop_callback stopped{
      stop, [&] { asio::post(io, [&] { cancel.emit(asio::cancellation_type::terminal); }); }};
  io.run();
  return result;
}

std::string url_of(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint.append(kTracesPath);
}

}  // namespace

OtlpSender make_otlp_sender(OtlpHttpOptions options) {
  HttpRequest request;
  request.method = "POST";
  request.url = url_of(std::move(options.endpoint));
  request.headers = std::move(options.headers);
  request.headers.insert_or_assign("Content-Type", "application/json");
  request.connect_timeout = options.timeout;
  request.idle_timeout = options.timeout;
  request.response_bytes_max = kResponseBytesMax;
  return [request = std::move(request), timeout = options.timeout](
             const std::string& body, const std::stop_token& stop) -> Result<OtlpReply> {
    HttpRequest message = request;
    message.body = body;
    const Result<HttpResponse> response = exchange(std::move(message), timeout, stop);
    if (!response) return response.error();
    return OtlpReply{response->status, retry_after(*response), rejected_spans(response->body)};
  };
}

}  // namespace millrace
