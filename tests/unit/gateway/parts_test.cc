// The parts that need no socket.
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "gateway/answer_stream.h"
#include "gateway/auth/authenticator.h"
#include "gateway/multipart.h"
#include "gateway/query_ids.h"
#include "gateway/sse_writer.h"
#include "gateway/target.h"
#include "gateway/text_span.h"

namespace millrace {
namespace {

TEST(Mailbox, cuts_off_a_reader_that_falls_behind) {
  net::io_context io;
  const auto box = std::make_shared<Mailbox<int>>(io.get_executor(), 2);
  using Pushed = Mailbox<int>::Pushed;
  EXPECT_EQ(box->push(1), Pushed::stored);
  EXPECT_EQ(box->push(2), Pushed::stored);
  EXPECT_EQ(box->push(3), Pushed::overflowed);
  EXPECT_EQ(box->push(4), Pushed::closed);
  auto batch = net::co_spawn(io, box->receive(std::chrono::seconds{5}), net::use_future);
  io.run();
  const auto received = batch.get();
  EXPECT_TRUE(received.closed);
  EXPECT_EQ(received.reason, "slow_client");
}

TEST(Mailbox, wakes_a_waiting_reader_from_another_thread) {
  net::io_context io;
  const auto box = std::make_shared<Mailbox<int>>(io.get_executor(), 2);
  auto batch = net::co_spawn(io, box->receive(std::chrono::minutes{5}), net::use_future);
  std::jthread other{[&] { box->push(7); }};
  io.run();
  EXPECT_EQ(batch.get().items, std::vector<int>{7});
}

TEST(AnswerFilter, passes_each_event_of_the_highest_attempt_once) {
  AnswerFilter filter;
  AnswerEvent event;
  EXPECT_TRUE(filter.pass(event));
  EXPECT_FALSE(filter.pass(event));
  event.attempt = 2;
  EXPECT_TRUE(filter.pass(event));
  event.attempt = 1;
  event.index = 1;
  EXPECT_FALSE(filter.pass(event));
  event.attempt = 2;
  event.last = true;
  EXPECT_TRUE(filter.pass(event));
  event.attempt = 3;
  EXPECT_FALSE(filter.pass(event));
}

TEST(Target, splits_before_it_decodes) {
  const auto target = parse_target("/a%2Fb/c?x=1+2&y=%41&z");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"a/b", "c"}));
  EXPECT_EQ(target->query.at("x"), "1 2");
  EXPECT_EQ(target->query.at("y"), "A");
  EXPECT_EQ(target->query.at("z"), "");
  EXPECT_FALSE(parse_target("*"));
  EXPECT_FALSE(parse_target("/%"));
  EXPECT_FALSE(parse_target("/%00"));
}

TEST(Multipart, keeps_content_that_looks_almost_like_a_boundary) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a \\\"q\\\".txt\"\r\n\r\n"
      "\r\n--a\r\n--\r\n\r\n--b--\r\n";
  const auto parts = parse_multipart("multipart/form-data; boundary=\"b\"", body, 5);
  ASSERT_TRUE(parts) << parts.error().detail;
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ((*parts)[0].file_name, "a \"q\".txt");
  EXPECT_EQ((*parts)[0].content, "\r\n--a\r\n--\r\n");
}

TEST(Multipart, bounds_the_number_of_parts) {
  std::string body;
  for (int i = 0; i < 4; ++i) {
    body += "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nx\r\n";
  }
  EXPECT_FALSE(parse_multipart("multipart/form-data; boundary=b", body + "--b--", 3));
}

TEST(TextSpan, counts_code_points) {
  EXPECT_EQ(count_code_points("Mühle"), 5);
  EXPECT_EQ(code_points("Mühle", 1, 3), "üh");
  EXPECT_EQ(code_points("Mühle", 4, 99), "e");
  EXPECT_EQ(code_points("Mühle", 9, 99), "");
}

TEST(Sse, writes_fields_in_lines) {
  EXPECT_EQ(format_sse({"1:2", "delta", "{}"}), "id: 1:2\nevent: delta\ndata: {}\n\n");
}

TEST(Authenticator, knows_loopback_names) {
  for (const char* name : {"localhost", "localhost:8000", "127.0.0.1", "127.1.2.3:1", "[::1]:80"}) {
    EXPECT_TRUE(Authenticator::loopback_name(name)) << name;
  }
  for (const char* name :
       {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example"}) {
    EXPECT_FALSE(Authenticator::loopback_name(name)) << name;
  }
}

TEST(Authenticator, refuses_keys_it_cannot_check) {
  EXPECT_FALSE(Authenticator::make({{"a", "xyz", "reader", {}, {}}}));
  EXPECT_FALSE(Authenticator::make({{"a", std::string(64, '0'), "king", {}, {}}}));
}

}  // namespace
}  // namespace millrace
