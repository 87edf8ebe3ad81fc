#include "common/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>

#include "common/http_client.h"
#include "unit/common/scripted_server.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = AdminServer::start("127.0.0.1:0", metrics_, readiness_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  HttpResponse ask(const std::string& target, const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + target;
    auto response = http_exchange_blocking(request);
    if (response) return *std::move(response);
    ADD_FAILURE() << response.error().message;
    return {};
  }

  MetricsRegistry metrics_;
  Readiness readiness_{{"log"}};
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, serves_the_metrics_of_the_moment) {
  const Counter counter = metrics_.counter("rag_records_total", "Records.");
  EXPECT_THAT(ask("/metrics").body, HasSubstr("rag_records_total 0\n"));
  counter.add(3);
  HttpResponse response = ask("/metrics?x=1");
  EXPECT_EQ(response.status, 200U);
  EXPECT_THAT(response.body, HasSubstr("rag_records_total 3\n"));
  EXPECT_THAT(response.headers["content-type"], HasSubstr("text/plain; version=0.0.4"));
}

TEST_F(AdminServerTest, is_alive_before_it_is_ready) {
  EXPECT_EQ(ask("/livez").status, 200U);
  const HttpResponse starting = ask("/readyz");
  EXPECT_EQ(starting.status, 503U);
  EXPECT_THAT(starting.body, HasSubstr(R"("reason":"starting")"));
  readiness_.set("log", true);
  EXPECT_EQ(ask("/readyz").status, 200U);
}

TEST_F(AdminServerTest, refuses_other_paths_and_methods_with_a_problem) {
  HttpResponse missing = ask("/");
  EXPECT_EQ(missing.status, 404U);
  EXPECT_EQ(missing.headers["content-type"], "application/problem+json");
  HttpResponse method = ask("/metrics", "DELETE");
  EXPECT_EQ(method.status, 405U);
  EXPECT_EQ(method.headers["allow"], "GET, HEAD");
  const HttpResponse head = ask("/livez", "HEAD");
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.body, "");
}

TEST_F(AdminServerTest, survives_bytes_that_are_not_http_and_headers_without_end) {
  for (const std::string& bytes : {std::string{"\x16\x03\x01 nonsense\r\n\r\n"},
                                   "GET / HTTP/1.1\r\nX: " + std::string(1 << 16, 'x')}) {
    boost::asio::io_context context;
    ScriptedServer::Socket socket{context};
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), server_->port()});
    send(socket, bytes);
    wait_for_close(socket);
    EXPECT_EQ(ask("/livez").status, 200U);
  }
}

TEST_F(AdminServerTest, closes_with_a_connection_open) {
  boost::asio::io_context context;
  ScriptedServer::Socket socket{context};
  socket.connect({boost::asio::ip::make_address("127.0.0.1"), server_->port()});
  EXPECT_EQ(ask("/livez").status, 200U);  // so the one before is accepted
  server_.reset();
  wait_for_close(socket);
}

TEST_F(AdminServerTest, says_why_it_cannot_listen) {
  const auto taken =
      AdminServer::start("127.0.0.1:" + std::to_string(server_->port()), metrics_, readiness_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Error::Kind::fatal);
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));
  EXPECT_FALSE(AdminServer::start("nonsense", metrics_, readiness_));
}

}  // namespace
}  // namespace millrace
