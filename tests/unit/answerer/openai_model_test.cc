#include "workers/answerer/openai_model.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
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

constexpr std::string_view kKey = "sk-very-secret";

std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
}
std::string chunk(const std::string& text) {
  return "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":" + json::quote(text) +
         "},\"finish_reason\":null}]}\n\n";
}
std::string end_of_stream() {
  return "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":5}}\n\n"
         "data: [DONE]\n\n";
}
ChatServer::Script reply(std::string text) {
  return [text = std::move(text)](Socket& socket) { ChatServer::send(socket, text); };
}
ChatServer::Script refuse(int status, const std::string& headers, const std::string& body) {
  return reply("HTTP/1.1 " + std::to_string(status) + " No\r\n" + headers + "Content-Length: " +
               std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}
ChatServer::Script good() {
  return reply(stream_head() + chunk("Water boils ") + chunk("at 100 degrees [1].") +
               end_of_stream());
}

class OpenAiModelTest : public ::testing::Test {
 protected:
  Result<AnswerDraft> ask(const std::string& base_url, bool keep_going = true) {
    OpenAiOptions options;
    options.base_url = base_url;
    options.api_key = kKey;
    options.model = "m";
    options.retry_pause = std::chrono::milliseconds{1};
    OpenAiModel model{options};
    boost::asio::io_context io{1};
    std::optional<Result<AnswerDraft>> result;
    boost::asio::co_spawn(
        io,
        model.answer(task,
                     [&](std::string_view text) {
                       deltas.emplace_back(text);
                       if (cancel_at_delta) {
                         boost::asio::post(
                             io, [&] { signal.emit(boost::asio::cancellation_type::terminal); });
                       }
                       return keep_going;
                     }),
        boost::asio::bind_cancellation_slot(
            signal.slot(), [&](const std::exception_ptr& thrown, Result<AnswerDraft> draft) {
              EXPECT_EQ(thrown, nullptr);
              result = std::move(draft);
            }));
    io.run();
    return *result;
  }

  AnswerTask task{"When does water boil?",
                  {passage("a", 0.8, "Water boils at 100 degrees. Ice is cold.")}};
  std::vector<std::string> deltas;
  boost::asio::cancellation_signal signal;
  bool cancel_at_delta = false;
};

TEST_F(OpenAiModelTest, streams_deltas_and_resolves_citations) {
  ChatServer server{{good()}};
  const auto draft = ask(server.base_url());
  ASSERT_TRUE(draft) << draft.error().message;
  EXPECT_THAT(deltas, ElementsAre("Water boils ", "at 100 degrees [1]."));
  EXPECT_EQ(draft->text, "Water boils at 100 degrees [1].");
  ASSERT_THAT(draft->citations, SizeIs(1));
  EXPECT_EQ(draft->citations[0].quote, "Water boils at 100 degrees.");
  EXPECT_EQ(draft->usage.prompt_tokens, 21);
  EXPECT_EQ(draft->usage.completion_tokens, 5);
  EXPECT_EQ(draft->model, "m-1");
  EXPECT_FALSE(draft->needs_human_review);
}

TEST_F(OpenAiModelTest, asks_for_a_stream_with_usage_and_the_key_in_its_header) {
  ChatServer server{{good()}};
  ASSERT_TRUE(ask(server.base_url() + "/"));
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /v1/chat/completions "));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer " + std::string{kKey}));
  const auto body = json::Document::parse(request.substr(request.find("\r\n\r\n") + 4));
  ASSERT_TRUE(body);
  EXPECT_TRUE(body->root().member("stream").as_bool());
  EXPECT_TRUE(body->root().member("stream_options").member("include_usage").as_bool());
  EXPECT_EQ(body->root().member("messages").size(), 2U);
}

TEST_F(OpenAiModelTest, reads_a_server_that_does_not_stream) {
  ChatServer server{
      {refuse(200, "Content-Type: application/json\r\n",
              R"({"choices":[{"message":{"content":"It boils [1]."},"finish_reason":"stop"}]})")}};
  const auto draft = ask(server.base_url());
  ASSERT_TRUE(draft) << draft.error().message;
  EXPECT_EQ(draft->text, "It boils [1].");
  EXPECT_THAT(deltas, SizeIs(1));
}

TEST_F(OpenAiModelTest, is_unavailable_when_the_stream_breaks_off_and_does_not_ask_again) {
  ChatServer server{{reply(stream_head() + chunk("Water boils "))}};
  const auto draft = ask(server.base_url());
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(draft.error().message, HasSubstr("ended before the answer did"));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(OpenAiModelTest, passes_on_the_servers_reason_for_a_refusal_but_never_the_key) {
  for (const int status : {400, 401, 403, 404, 422}) {
    ChatServer server{{refuse(status, "", R"({"error":{"message":"what you did is wrong"}})")}};
    const auto draft = ask(server.base_url());
    ASSERT_FALSE(draft);
    EXPECT_EQ(draft.error().kind, Error::Kind::rejected);
    EXPECT_THAT(draft.error().message, HasSubstr(std::to_string(status)));
    EXPECT_THAT(draft.error().message, HasSubstr("what you did is wrong"));
    EXPECT_THAT(draft.error().message, Not(HasSubstr(std::string{kKey})));
    EXPECT_THAT(server.requests(), SizeIs(1));
  }
}

TEST_F(OpenAiModelTest, asks_again_when_the_server_is_overloaded) {
  ChatServer server{{refuse(429, "Retry-After: 0\r\n", "slow down"),
                     refuse(503, "Retry-After: 0\r\n", ""), good()}};
  const auto draft = ask(server.base_url());
  ASSERT_TRUE(draft) << draft.error().message;
  EXPECT_THAT(server.requests(), SizeIs(3));
}

TEST_F(OpenAiModelTest, gives_up_after_the_third_refusal) {
  const auto busy = refuse(429, "Retry-After: 0\r\n", "slow down\nplease");
  ChatServer server{{busy, busy, busy}};
  const auto draft = ask(server.base_url());
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(draft.error().message, HasSubstr("429: slow down please"));
  EXPECT_THAT(server.requests(), SizeIs(3));
}

TEST_F(OpenAiModelTest, is_unavailable_when_nobody_listens) {
  std::string url;
  {
    boost::asio::io_context io;
    boost::asio::ip::tcp::acceptor closed{io, {boost::asio::ip::make_address("127.0.0.1"), 0}};
    url = "http://127.0.0.1:" + std::to_string(closed.local_endpoint().port());
  }
  const auto draft = ask(url);
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().kind, Error::Kind::unavailable);
}

TEST_F(OpenAiModelTest, fails_on_what_is_no_answer) {
  const std::string garbage[] = {
      stream_head() + "data: {not json\n\n",
      stream_head() + "data: [1]\n\n",
      stream_head() + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
      stream_head(),
  };
  for (const std::string& body : garbage) {
    // Without a first delta it asks again: the same each time.
    ChatServer server{{reply(body), reply(body), reply(body)}};
    const auto draft = ask(server.base_url());
    ASSERT_FALSE(draft) << body;
    EXPECT_EQ(draft.error().kind, Error::Kind::unavailable) << draft.error().message;
  }
  EXPECT_THAT(deltas, ::testing::IsEmpty());
}

TEST_F(OpenAiModelTest, passes_over_chunks_of_other_shapes) {
  ChatServer server{
      {reply(stream_head() +
             ": comment\n\ndata: {}\n\ndata: {\"choices\":7}\n\n"
             "data: {\"choices\":[3]}\n\ndata: {\"choices\":[{\"delta\":null}]}\n\n"
             "data: {\"choices\":[{\"delta\":{\"content\":null}}],\"usage\":null}\n\n" +
             chunk("Yes [1].") + end_of_stream())}};
  const auto draft = ask(server.base_url());
  ASSERT_TRUE(draft) << draft.error().message;
  EXPECT_EQ(draft->text, "Yes [1].");
}

TEST_F(OpenAiModelTest, closes_the_connection_when_the_reader_stops) {
  ChatServer server{{[](Socket& socket) {
    ChatServer::send(socket, stream_head() + chunk("Water "));
    ChatServer::wait_for_close(socket);
  }}};
  EXPECT_FALSE(ask(server.base_url(), false));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(OpenAiModelTest, closes_the_connection_when_it_is_cancelled) {
  cancel_at_delta = true;
  ChatServer server{{[](Socket& socket) {
    ChatServer::send(socket, stream_head() + chunk("Water "));
    ChatServer::wait_for_close(socket);
  }}};
  EXPECT_FALSE(ask(server.base_url()));
}

TEST_F(OpenAiModelTest, knows_a_refusal) {
  ChatServer server{{reply(stream_head() + chunk("I could not find an answer to this in the ") +
                           chunk("documents.") + end_of_stream())}};
  const auto draft = ask(server.base_url());
  ASSERT_TRUE(draft);
  EXPECT_TRUE(draft->refused);
  EXPECT_TRUE(draft->needs_human_review);
  EXPECT_EQ(draft->confidence, 0);
}

TEST_F(OpenAiModelTest, refuses_without_passages_and_calls_nobody) {
  task.passages.clear();
  const auto draft = ask("http://127.0.0.1:1");
  ASSERT_TRUE(draft) << draft.error().message;
  EXPECT_TRUE(draft->refused);
  EXPECT_THAT(deltas, ElementsAre(draft->text));
}

}  // namespace
}  // namespace millrace
