#include "common/otlp_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "common/http_client.h"
#include "unit/common/scripted_server.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

OtlpHttpOptions at(const ScriptedServer& server, std::string_view path = "") {
  OtlpHttpOptions options;
  options.endpoint = server.url(path);
  return options;
}

std::string read_with_body(auto& socket, std::string_view end) {
  std::string text = read_request(socket);
  while (!text.ends_with(end)) {
    char byte = 0;
    if (socket.read_some(boost::asio::buffer(&byte, 1)) == 1) text += byte;
  }
  return text;
}

TEST(OtlpHttp, posts_json_with_its_headers_below_the_endpoint) {
  std::string seen;
  {
    const ScriptedServer server{[&](auto& socket) {
      seen = read_with_body(socket, "{\"a\":1}");
      send(socket,
           "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
           "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}");
    }};
    OtlpHttpOptions options = at(server, "/api/public/otel/");
    options.headers = {{"Authorization", "Basic a2V5"}};
    const auto reply = make_otlp_sender(options)("{\"a\":1}", {});
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->status, 200U);
    EXPECT_EQ(reply->rejected_spans, 3);
    EXPECT_FALSE(reply->retry_after);
  }
  EXPECT_THAT(seen, StartsWith("POST /api/public/otel/v1/traces HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization: Basic a2V5\r\n"));
}

TEST(OtlpHttp, says_what_an_overloaded_collector_wants) {
  const ScriptedServer server{[&](auto& socket) {
    read_with_body(socket, "{}");
    send(socket, "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno");
  }};
  const auto reply = make_otlp_sender(at(server))("{}", {});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 429U);
  EXPECT_EQ(reply->retry_after, 7s);
  EXPECT_EQ(reply->rejected_spans, 0);
}

TEST(OtlpHttp, closes_a_request_that_is_stopped) {
  std::promise<void> arrived;
  const ScriptedServer server{[&](auto& socket) {
    read_with_body(socket, "{}");
    arrived.set_value();
    wait_for_close(socket);
  }};
  OtlpHttpOptions options = at(server);
  options.timeout = 1h;
  std::stop_source stop;
  auto reply = std::async(std::launch::async,
                          [&] { return make_otlp_sender(options)("{}", stop.get_token()); });
  arrived.get_future().wait();
  stop.request_stop();
  EXPECT_FALSE(reply.get());
}

TEST(OtlpHttp, closes_a_request_that_takes_too_long) {
  const ScriptedServer server{[&](auto& socket) {
    read_with_body(socket, "{}");
    send(socket, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{");
    wait_for_close(socket);
  }};
  OtlpHttpOptions options = at(server);
  options.timeout = 50ms;
  EXPECT_FALSE(make_otlp_sender(options)("{}", {}));
}

TEST(OtlpHttp, says_that_nobody_is_there) {
  std::string port;
  {
    const ScriptedServer server{[](auto&) {}};
    port = server.port();
    HttpRequest request;
    request.url = server.url("/");
    std::ignore = http_exchange_blocking(request);  // its script ends
  }
  OtlpHttpOptions options;
  options.endpoint = "http://127.0.0.1:" + port;
  const auto reply = make_otlp_sender(options)("{}", {});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Error::Kind::unavailable);
}

}  // namespace
}  // namespace millrace
