#include "common/admin_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "common/json.h"
#include "common/logging.h"

namespace millrace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Response = http::response<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kConnectionsMax = 32;  // a few scrapers and probes
constexpr std::uint32_t kHeaderBytesMax = 8U * 1024;
constexpr std::chrono::seconds kRequestTimeout{5};
constexpr std::chrono::milliseconds kAcceptPause{100};  // when the process is out of descriptors

Result<tcp::acceptor> open_acceptor(asio::io_context& context, std::string_view listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string_view::npos) {
    return fatal("'" + std::string{listen} + "' is not HOST:PORT");
  }
  std::string_view host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code error;
  tcp::resolver resolver{context};
  const auto found = resolver.resolve(host, listen.substr(colon + 1), error);
  tcp::acceptor acceptor{context};
  if (!error) acceptor.open(found.begin()->endpoint().protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error) acceptor.bind(found.begin()->endpoint(), error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return fatal("cannot listen on " + std::string{listen} + ": " + error.message());
  return acceptor;
}

std::string problem(unsigned status, std::string_view detail) {
  return json::Writer{}
      .begin_object()
      .field("type", "about:blank")
      .field("status", status)
      .field("detail", detail)
      .end_object()
      .take();
}

}  // namespace

struct AdminServer::Impl {
  Impl(const MetricsRegistry& borrowed_metrics, const Readiness& borrowed_readiness,
       Elsewhere its_elsewhere)
      : metrics{borrowed_metrics}, readiness{borrowed_readiness}, elsewhere{its_elsewhere} {}

  Response answer(const http::request_header<>& request) const;
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<void> accept();

  const MetricsRegistry& metrics;
  const Readiness& readiness;
  const Elsewhere elsewhere;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  std::uint16_t port = 0;
  int connections = 0;  // of the one thread
  std::jthread thread;  // last: joined before the rest goes
};

Response AdminServer::Impl::answer(const http::request_header<>& request) const {
  const auto make = [](http::status status, std::string_view type, std::string body) {
    Response response{status, 11, std::move(body)};
    response.set(http::field::content_type, type);
    response.set(http::field::cache_control, "no-store");
    return response;
  };
  constexpr std::string_view kJson = "application/json";
  constexpr std::string_view kProblem = "application/problem+json";
  const std::string_view target{request.target().data(), request.target().size()};
  const std::string_view path = target.substr(0, target.find('?'));
  const bool is_ours = path == "/metrics" || path == "/livez" || path == "/readyz";
  if (!is_ours && elsewhere == Elsewhere::starting) {
    Response response =
        make(http::status::service_unavailable, kProblem,
             problem(503, "this server is starting; /readyz says what it waits for"));
    response.set(http::field::retry_after, "1");
    return response;
  }
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    Response response = make(http::status::method_not_allowed, kProblem,
                             problem(405, "only GET and HEAD are served here"));
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  if (path == "/metrics") {
    return make(http::status::ok, "text/plain; version=0.0.4; charset=utf-8", metrics.render());
  }
  if (path == "/livez") return make(http::status::ok, kJson, R"({"live":true})");
  if (path == "/readyz") {
    return make(readiness.ready() ? http::status::ok : http::status::service_unavailable, kJson,
                readiness.describe());
  }
  return make(http::status::not_found, kProblem,
              problem(404, "only /metrics, /livez and /readyz are served here"));
}

asio::awaitable<void> AdminServer::Impl::serve(tcp::socket socket) {
  beast::tcp_stream stream{std::move(socket)};
  stream.expires_after(kRequestTimeout);
  beast::flat_buffer buffer;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kHeaderBytesMax);
  const auto [error, bytes] = co_await http::async_read_header(stream, buffer, parser, kTuple);
  if (!error) {
    Response response = answer(parser.get().base());
    response.keep_alive(false);
    response.prepare_payload();
    if (parser.get().method() == http::verb::head) response.body().clear();
    stream.expires_after(kRequestTimeout);
    co_await http::async_write(stream, response, kTuple);
  }
  error_code ignored;  // the client may be gone, which is what we want
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  --connections;
}

asio::awaitable<void> AdminServer::Impl::accept() {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      log_event(LogLevel::warning, "admin_accept_failed", {{"error", error.message()}});
      asio::steady_timer pause{context, kAcceptPause};
      co_await pause.async_wait(kTuple);
      continue;
    }
    if (connections >= kConnectionsMax) continue;  // closes it
    ++connections;
    asio::co_spawn(context, serve(std::move(socket)), asio::detached);
  }
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

AdminServer::~AdminServer() { impl_->context.stop(); }

std::uint16_t AdminServer::port() const { return impl_->port; }

Result<std::unique_ptr<AdminServer>> AdminServer::start(std::string_view listen,
                                                        const MetricsRegistry& metrics,
                                                        const Readiness& readiness,
                                                        Elsewhere elsewhere) {
  auto impl = std::make_unique<Impl>(metrics, readiness, elsewhere);
  auto acceptor = open_acceptor(impl->context, listen);
  if (!acceptor) return acceptor.error();
  impl->acceptor = *std::move(acceptor);
  impl->port = impl->acceptor.local_endpoint().port();
  asio::co_spawn(impl->context, impl->accept(), asio::detached);
  impl->thread = std::jthread{[&context = impl->context] { context.run(); }};
  return std::unique_ptr<AdminServer>{new AdminServer{std::move(impl)}};
}

}  // namespace millrace
