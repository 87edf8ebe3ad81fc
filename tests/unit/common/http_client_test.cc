#include "common/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <semaphore>

#include "common/http_url.h"
#include "unit/common/scripted_server.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";

TEST(HttpClient, sends_the_request_and_reads_a_body_with_a_length) {
  std::string seen;
  Result<HttpResponse> response = fatal("");
  {
    ScriptedServer server{[&](auto& socket) {
      seen = read_request(socket);
      while (!seen.ends_with("a question")) {
        char byte = 0;
        if (socket.read_some(boost::asio::buffer(&byte, 1)) == 1) seen += byte;
      }
      send(socket,
           "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Tag: a\r\nx-tag: b\r\n\r\nhello");
    }};
    HttpRequest request = get(server.url("/v1/x?y=1"));
    request.method = "POST";
    request.headers = {{"Authorization", "Bearer k"}};
    request.body = "a question";
    response = http_exchange_blocking(request);
    EXPECT_THAT(seen, HasSubstr("Host: 127.0.0.1:" + server.port() + "\r\n"));
  }
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201U);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->headers["x-tag"], "a, b");
  EXPECT_THAT(seen, ::testing::StartsWith("POST /v1/x?y=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization: Bearer k\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 10\r\n"));
}

TEST(HttpClient, reads_chunked_bodies_and_bodies_that_end_with_the_connection) {
  for (const std::string_view body :
       {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n",
        "\r\nhello world"}) {
    ScriptedServer server{[&](auto& socket) {
      read_request(socket);
      send(socket, std::string{kOk} + std::string{body});
    }};
    const auto response = http_exchange_blocking(get(server.url("/")));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "hello world");
  }
}

TEST(HttpClient, passes_over_interim_responses_and_reads_no_body_after_head) {
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + std::string{kOk} +
                     "Content-Length: 5\r\n\r\n");
    wait_for_close(socket);
  }};
  HttpRequest request = get(server.url("/"));
  request.method = "HEAD";
  const auto response = http_exchange_blocking(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200U);
  EXPECT_EQ(response->body, "");
}

TEST(HttpClient, hands_on_each_piece_before_the_next_is_sent) {
  std::binary_semaphore arrived{0};
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, std::string{kOk} + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    arrived.acquire();  // would wait for ever if the client collected pieces
    send(socket, "3\r\ntwo\r\n");
    arrived.acquire();
    send(socket, "0\r\n\r\n");
  }};
  std::vector<std::string> pieces;
  const auto response = http_exchange_blocking(get(server.url("/")), [&](std::string_view piece) {
    pieces.emplace_back(piece);
    arrived.release();
    return true;
  });
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_THAT(pieces, ElementsAre("one", "two"));
  EXPECT_EQ(response->body, "");
}

TEST(HttpClient, hands_on_the_body_of_an_error_too) {
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, "HTTP/1.1 429 Slow Down\r\nContent-Length: 4\r\n\r\nwait");
  }};
  std::string body;
  const auto response = http_exchange_blocking(get(server.url("/")), [&](std::string_view piece) {
    body += piece;
    return true;
  });
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 429U);
  EXPECT_EQ(body, "wait");
}

TEST(HttpClient, closes_the_connection_when_the_handler_says_stop) {
  Result<HttpResponse> response = fatal("");
  int calls = 0;
  {
    ScriptedServer server{[&](auto& socket) {
      read_request(socket);
      send(socket, std::string{kOk} + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
      wait_for_close(socket);  // hangs the test if it stays open
    }};
    response = http_exchange_blocking(get(server.url("/")), [&](std::string_view) {
      ++calls;
      return false;
    });
  }
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200U);
  EXPECT_EQ(calls, 1);
}

TEST(HttpClient, is_unavailable_when_the_server_never_answers) {
  ScriptedServer server{[&](auto& socket) { wait_for_close(socket); }};
  HttpRequest request = get(server.url("/slow?key=secret"));
  request.idle_timeout = 30ms;
  const auto response = http_exchange_blocking(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("/slow: response header: timed out after 30 ms"));
  EXPECT_THAT(response.error().message, Not(HasSubstr("secret")));
}

TEST(HttpClient, is_unavailable_when_the_server_falls_silent_within_the_body) {
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, std::string{kOk} + "Content-Length: 10\r\n\r\nhalf");
    wait_for_close(socket);
  }};
  HttpRequest request = get(server.url("/"));
  request.idle_timeout = 30ms;
  std::string body;
  const auto response = http_exchange_blocking(request, [&](std::string_view piece) {
    body += piece;
    return true;
  });
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("response body: timed out"));
  EXPECT_EQ(body, "half");
}

TEST(HttpClient, is_unavailable_when_nobody_listens) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor silent{context};  // holds the port, but does not listen
  silent.open(boost::asio::ip::tcp::v4());
  silent.bind({boost::asio::ip::make_address("127.0.0.1"), 0});
  const auto response = http_exchange_blocking(
      get("http://127.0.0.1:" + std::to_string(silent.local_endpoint().port()) + "/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot connect"));
}

TEST(HttpClient, is_unavailable_when_the_host_has_no_address) {
  // A label of more than 63 bytes cannot exist, so no server is asked.
  const auto response = http_exchange_blocking(get("http://" + std::string(70, 'x') + "/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot connect"));
}

TEST(HttpClient, is_unavailable_when_there_is_no_time_to_connect) {
  ScriptedServer server{[](auto& socket) { wait_for_close(socket); }};
  HttpRequest request = get(server.url("/"));
  request.connect_timeout = 0ms;
  const auto response = http_exchange_blocking(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot connect: timed out after 0 ms"));
  boost::asio::io_context context;  // lets the script end
  ScriptedServer::Socket socket{context};
  boost::system::error_code ignored;
  socket.connect({boost::asio::ip::make_address("127.0.0.1"),
                  static_cast<unsigned short>(std::stoi(server.port()))},
                 ignored);
}

TEST(HttpClient, is_retryable_when_the_connection_breaks_off) {
  for (const std::string_view sent :
       {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "nonsense\r\n\r\n"}) {
    ScriptedServer server{[&](auto& socket) {
      read_request(socket);
      send(socket, sent);
    }};
    const auto response = http_exchange_blocking(get(server.url("/")));
    ASSERT_FALSE(response) << sent;
    EXPECT_EQ(response.error().kind, Error::Kind::retryable) << response.error().message;
  }
}

TEST(HttpClient, reads_an_early_refusal_of_a_large_body) {
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    socket.shutdown(ScriptedServer::Socket::shutdown_send);
    wait_for_close(socket);
  }};
  HttpRequest request = get(server.url("/"));
  request.method = "POST";
  request.body = std::string(4 << 20, 'x');
  const auto response = http_exchange_blocking(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413U);
  EXPECT_EQ(response->body, "big");
}

TEST(HttpClient, stops_at_the_limit_of_the_response) {
  for (const std::string_view head :
       {"Content-Length: 11\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nb\r\n", "\r\n"}) {
    ScriptedServer server{[&](auto& socket) {
      read_request(socket);
      send(socket, std::string{kOk} + std::string{head} + "hello world\r\n0\r\n\r\n");
      wait_for_close(socket);
    }};
    HttpRequest request = get(server.url("/"));
    request.response_bytes_max = 10;
    const auto response = http_exchange_blocking(request);
    ASSERT_FALSE(response) << head;
    EXPECT_EQ(response.error().kind, Error::Kind::retryable);
    EXPECT_THAT(response.error().message, HasSubstr("longer than 10 bytes"));
  }
}

TEST(HttpClient, stops_at_a_header_without_end) {
  ScriptedServer server{[&](auto& socket) {
    read_request(socket);
    send(socket, std::string{kOk} + "X: " + std::string(1 << 20, 'x'));
    wait_for_close(socket);
  }};
  const auto response = http_exchange_blocking(get(server.url("/")));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Error::Kind::retryable);
}

TEST(HttpClient, closes_the_socket_when_the_coroutine_is_cancelled) {
  for (const std::string& sent :
       {std::string{}, std::string{kOk} + "Content-Length: 9\r\n\r\nhalf"}) {
    boost::asio::io_context context{1};
    boost::asio::cancellation_signal signal;
    ScriptedServer server{[&](auto& socket) {
      read_request(socket);
      send(socket, sent);
      boost::asio::post(context, [&] { signal.emit(boost::asio::cancellation_type::terminal); });
      wait_for_close(socket);  // hangs the test if it stays open
    }};
    Result<HttpResponse> result = fatal("not finished");
    boost::asio::co_spawn(context, http_exchange(get(server.url("/"))),
                          boost::asio::bind_cancellation_slot(
                              signal.slot(), [&](const std::exception_ptr& thrown, auto outcome) {
                                EXPECT_EQ(thrown, nullptr);
                                result = std::move(outcome);
                              }));
    context.run();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, Error::Kind::retryable);
    EXPECT_THAT(result.error().message, HasSubstr("cancelled"));
  }
}

TEST(HttpClient, notices_a_cancellation_from_within_the_body_handler) {
  ScriptedServer server{[](auto& socket) {
    read_request(socket);
    send(socket, std::string{kOk} + "Content-Length: 9\r\n\r\nhalf");
    wait_for_close(socket);
  }};
  boost::asio::io_context context{1};
  boost::asio::cancellation_signal signal;
  Result<HttpResponse> result = fatal("not finished");
  const auto cancel = [&](std::string_view) {
    signal.emit(boost::asio::cancellation_type::terminal);
    return true;
  };
  boost::asio::co_spawn(context, http_exchange(get(server.url("/")), cancel),
                        boost::asio::bind_cancellation_slot(
                            signal.slot(), [&](const std::exception_ptr&, auto outcome) {
                              result = std::move(outcome);
                            }));
  context.run();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("cancelled"));
}

TEST(HttpClient, refuses_what_would_break_the_request_apart) {
  HttpRequest header = get("http://127.0.0.1:1/");
  header.headers = {{"X-Tag", "a\r\nEvil: b"}};
  HttpRequest name = get("http://127.0.0.1:1/");
  name.headers = {{"X Tag", "a"}};
  HttpRequest method = get("http://127.0.0.1:1/");
  method.method = "GET /x HTTP/1.1\r\nHost: y\r\n\r\nGET";
  HttpRequest length = get("http://127.0.0.1:1/");
  length.headers = {{"content-length", "5"}};
  for (const HttpRequest& request : {header, name, method, length, get("http://a/\r\nX: y")}) {
    const auto response = http_exchange_blocking(request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, Error::Kind::rejected) << response.error().message;
  }
}

TEST(HttpUrl, has_host_port_and_target) {
  const auto url = parse_http_url("HTTPS://Example.org:8443/v1/x?y=%20");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "Example.org");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/v1/x?y=%20");
  EXPECT_EQ(url->host_header(), "Example.org:8443");
  EXPECT_EQ(url->shown(), "https://Example.org:8443/v1/x");
  const auto plain = parse_http_url("http://[::1]?q");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "::1");
  EXPECT_EQ(plain->port, "80");
  EXPECT_EQ(plain->target, "/?q");
  EXPECT_EQ(plain->host_header(), "[::1]");
}

TEST(HttpUrl, refuses_anything_else_without_showing_secrets) {
  for (const std::string_view bad :
       {"", "example.org", "//example.org/", "ftp://example.org/", "http://", "http:///x",
        "http://a b/", "http://a/\n", "http://a/é", "http://a:0/", "http://a:65536/", "http://a:/",
        "http://a:8x/", "http://[::1/", "http://[]/", "http://[::1]x/", "http://user:pw@a/",
        "http://a/#part", "http://a\\b/"}) {
    const auto url = parse_http_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().kind, Error::Kind::rejected);
    EXPECT_THAT(url.error().message, Not(HasSubstr("pw")));
  }
  EXPECT_FALSE(parse_http_url("http://a/" + std::string(9000, 'x')));
  EXPECT_THAT(parse_http_url("http://a/?key=secret#x").error().message, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace millrace
