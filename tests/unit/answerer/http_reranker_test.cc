#include "workers/answerer/http_reranker.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "common/json.h"
#include "tests/unit/answerer/answerer_fixture.h"
#include "tests/unit/answerer/chat_server.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Socket = ChatServer::Socket;

constexpr std::string_view kKey = "very-secret";

ChatServer::Script reply(const std::string& body, const std::string& status = "200 OK") {
  return [text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\nConnection: close\r\n\r\n" +
                 body](Socket& socket) { ChatServer::send(socket, text); };
}

class HttpRerankerTest : public ::testing::Test {
 protected:
  Result<std::vector<double>> ask(const std::string& url) {
    options.url = url;
    options.api_key = kKey;
    HttpReranker reranker{options};
    boost::asio::io_context io;
    std::optional<Result<std::vector<double>>> result;
    boost::asio::co_spawn(
        io, reranker.score({"When?", {"first \"one\"", "second"}, {}}),
        boost::asio::bind_cancellation_slot(
            signal.slot(), [&](const std::exception_ptr& thrown, Result<std::vector<double>> got) {
              EXPECT_EQ(thrown, nullptr);
              result = std::move(got);
            }));
    io.run();
    return *result;
  }

  HttpRerankerOptions options;
  boost::asio::cancellation_signal signal;
};

TEST_F(HttpRerankerTest, asks_with_all_passages_and_reads_the_scores) {
  ChatServer server{{reply(
      R"({"id":"x","results":[{"index":1,"relevance_score":0.75,"document":{"text":"second"}},)"
      R"({"index":0,"relevance_score":-3}],"meta":{}})")}};
  options.model = "rerank-1";
  const auto scores = ask(server.base_url() + "/rerank");
  ASSERT_TRUE(scores) << scores.error().message;
  EXPECT_THAT(*scores, ElementsAre(-3, 0.75));
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /v1/rerank "));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer " + std::string{kKey}));
  EXPECT_THAT(request, HasSubstr(R"({"model":"rerank-1","query":"When?",)"
                                 R"("documents":["first \"one\"","second"],"top_n":2})"));
}

TEST_F(HttpRerankerTest, leaves_out_a_model_that_is_not_named_and_finds_the_path) {
  ChatServer server{{reply(R"([{"index":0,"score":0.5},{"index":1,"score":0.25}])")}};
  const std::string base = server.base_url();
  const auto scores = ask(base.substr(0, base.size() - 3));
  ASSERT_TRUE(scores) << scores.error().message;
  EXPECT_THAT(*scores, ElementsAre(0.5, 0.25));
  EXPECT_THAT(server.requests().at(0), HasSubstr("POST /rerank "));
  EXPECT_THAT(server.requests().at(0), Not(HasSubstr("model")));
}

TEST_F(HttpRerankerTest, fails_without_a_second_attempt_and_never_shows_the_key) {
  for (const std::string status : {"500 No", "401 No", "429 No", "302 Found"}) {
    ChatServer server{{reply("what you\ndid is wrong", status)}};
    const auto scores = ask(server.base_url() + "/rerank");
    ASSERT_FALSE(scores) << status;
    EXPECT_THAT(scores.error().message, HasSubstr(status.substr(0, 3)));
    EXPECT_THAT(scores.error().message, HasSubstr("what you did is wrong"));
    EXPECT_THAT(scores.error().message, Not(HasSubstr(std::string{kKey})));
    EXPECT_THAT(server.requests(), SizeIs(1));
  }
}

TEST_F(HttpRerankerTest, fails_on_a_response_that_breaks_off_is_endless_or_never_comes) {
  {
    ChatServer server{{[](Socket& socket) {
      ChatServer::send(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[");
    }}};
    EXPECT_FALSE(ask(server.base_url() + "/rerank"));
  }
  {
    ChatServer server{{[](Socket& socket) {
      ChatServer::send(socket, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n[");
      ChatServer::wait_for_close(socket);
    }}};
    const auto scores = ask(server.base_url() + "/rerank");
    ASSERT_FALSE(scores);
    EXPECT_THAT(scores.error().message, HasSubstr("longer than"));
  }
  options.idle_timeout = std::chrono::milliseconds{20};
  ChatServer server{{&ChatServer::wait_for_close}};
  const auto scores = ask(server.base_url() + "/rerank");
  ASSERT_FALSE(scores);
  EXPECT_THAT(scores.error().message, HasSubstr("timed out"));
}

std::string mistake_in(std::string_view response) {
  const auto scores = rerank_scores_from(response, 2);
  return scores ? "" : scores.error().message;
}

TEST(RerankScores, are_those_of_every_passage_or_none) {
  const auto results = [](const std::string& list) { return R"({"results":[)" + list + "]}"; };
  const std::string first = R"({"index":0,"relevance_score":1})";
  const std::string second = R"({"index":1,"relevance_score":2})";
  EXPECT_EQ(mistake_in(results(second + "," + first)), "");
  EXPECT_THAT(mistake_in(results(first)), HasSubstr("1 results for 2 passages"));
  EXPECT_THAT(mistake_in(results("")), HasSubstr("0 results"));
  EXPECT_THAT(mistake_in(results(first + "," + second + "," + first)), HasSubstr("3 results"));
  EXPECT_THAT(mistake_in(results(first + "," + first)), HasSubstr("passage 0 twice"));
  for (const std::string index : {"2", "-1", "9223372036854775807"}) {
    EXPECT_THAT(mistake_in(results(first + R"(,{"index":)" + index + R"(,"relevance_score":2})")),
                HasSubstr("no passage " + index));
  }
  for (const std::string odd :
       {R"({"relevance_score":2})", R"({"index":1})", R"({"index":1.5,"relevance_score":2})",
        R"({"index":"1","relevance_score":2})", R"({"index":1,"relevance_score":"2"})",
        R"({"index":1,"relevance_score":null})", "7", "null", "[]"}) {
    EXPECT_THAT(mistake_in(results(first + "," + odd)), HasSubstr("no index or no score")) << odd;
  }
}

TEST(RerankScores, are_numbers_in_json) {
  for (const std::string odd :
       {"", "hello", "{", "7", "null", "{}", R"({"results":7})", R"({"results":null})",
        R"({"error":"out of memory"})", R"([{"index":0,"score":NaN},{"index":1,"score":1}])",
        R"([{"index":0,"score":1e999},{"index":1,"score":1}])"}) {
    EXPECT_THAT(mistake_in(odd), HasSubstr("is no ranking")) << odd;
  }
}

}  // namespace
}  // namespace millrace
