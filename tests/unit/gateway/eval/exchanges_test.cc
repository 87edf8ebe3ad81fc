// How an evaluation talks to its server: a bounded number of requests at a time, patience with one
// that is busy, and an end at the first failure.
#include "gateway/cli/eval/exchanges.h"

#include <gmock/gmock.h>

#include <csignal>

#include "gateway/cli/eval/target.h"
#include "unit/answerer/chat_server.h"

namespace millrace {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

struct Counts {
  int now = 0;
  int most = 0;
  int ended = 0;
};

asio::awaitable<Status> count(Counts& counts, milliseconds time, Status status) {
  counts.most = std::max(counts.most, ++counts.now);
  co_await pause_for(time);
  --counts.now;
  ++counts.ended;
  co_return status;
}

TEST(Exchanges, are_bounded_and_all_done) {
  Exchanges exchanges{3};
  Counts counts;
  const auto work = [&](std::size_t) { return count(counts, milliseconds{1}, {}); };
  EXPECT_TRUE(exchanges.run("counted", 20, work));
  EXPECT_EQ(counts.most, 3);
  EXPECT_EQ(counts.ended, 20);
  EXPECT_TRUE(exchanges.run("counted", 0, work));
  EXPECT_TRUE(exchanges.run("counted", 1, work));
  EXPECT_EQ(counts.ended, 21);
}

TEST(Exchanges, end_at_the_first_failure_for_good) {
  Exchanges exchanges{2};
  Counts counts;
  const auto work = [&](std::size_t index) {
    return index == 1 ? count(counts, milliseconds{1}, rejected("the second"))
                      : count(counts, std::chrono::hours{1}, {});
  };
  const Status status = exchanges.run("counted", 100, work);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the second");
  EXPECT_EQ(counts.ended, 2);  // the first did not wait for its hour
  EXPECT_FALSE(exchanges.run("counted", 1, work));
  EXPECT_EQ(counts.ended, 2);
}

TEST(Exchanges, end_on_a_signal) {
  Exchanges exchanges{2};
  Counts counts;
  const auto work = [&](std::size_t index) {
    if (index == 1) std::raise(SIGINT);
    return count(counts, std::chrono::hours{1}, {});
  };
  const Status status = exchanges.run("counted", 100, work);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "cancelled");
  EXPECT_EQ(counts.ended, 2);
}

ChatServer::Script reply(std::string body, std::string status = "200 OK") {
  return [=](ChatServer::Socket& socket) {
    ChatServer::send(socket, "HTTP/1.1 " + status + "\r\nContent-Length: " +
                                 std::to_string(body.size()) + "\r\n\r\n" + body);
  };
}

// What the collection's server was asked, and what came of it.
struct Searched {
  Result<Target::Found> found = rejected("not asked");
  std::vector<std::string> requests;
};

asio::awaitable<Status> search(const Target& target, Result<Target::Found>& found) {
  found = co_await target.search("brake failure", "dense");
  co_return Status{};
}

Searched search_at(std::vector<ChatServer::Script> scripts) {
  ChatServer server{std::move(scripts)};
  ClientOptions options;
  options.server = server.base_url();
  const auto client = Client::connect(options);
  const Target target{*client, "eval-1"};
  Searched out;
  Exchanges exchanges{1};
  EXPECT_TRUE(exchanges.run("searched", 1, [&](std::size_t) { return search(target, out.found); }));
  out.requests = server.requests();
  return out;
}

TEST(EvalTarget, asks_for_documents_and_takes_each_once) {
  const auto searched = search_at({reply(
      R"({"passages":[{"document_id":"b"},{"document_id":"a"},{"document_id":"b"}],"partial":false})")});
  ASSERT_TRUE(searched.found);
  EXPECT_EQ(searched.found->ranking, (std::vector<std::string>{"b", "a"}));
  EXPECT_THAT(searched.requests[0], HasSubstr("/v1/collections/eval-1/search"));
  EXPECT_THAT(
      searched.requests[0],
      HasSubstr(
          R"({"query":"brake failure","top_k":100,"mode":"dense","one_per_document":true,"origin":"eval"})"));
}

TEST(EvalTarget, asks_again_where_the_server_is_busy_or_has_a_part_only) {
  const auto searched =
      search_at({reply("{}", "503 Service Unavailable"), reply(R"({"passages":[],"partial":true})"),
                 reply(R"({"passages":[{"document_id":"a"}],"partial":false})")});
  ASSERT_TRUE(searched.found);
  EXPECT_EQ(searched.found->ranking, std::vector<std::string>{"a"});
  EXPECT_EQ(searched.requests.size(), 3U);
}

TEST(EvalTarget, tells_what_the_server_refuses) {
  const auto searched = search_at({reply(R"({"detail":"top_k: at most 50"})", "400 Bad Request")});
  ASSERT_FALSE(searched.found);
  EXPECT_EQ(searched.found.error().message, "top_k: at most 50");
}

TEST(EvalTarget, takes_no_answer_of_another_shape) {
  for (const char* each : {"{}", "[]", R"({"passages":7})", R"({"passages":[{"document_id":7}]})",
                           R"({"passages":[7]})", "<html>"}) {
    EXPECT_FALSE(search_at({reply(each)}).found) << each;
  }
}

}  // namespace
}  // namespace millrace
