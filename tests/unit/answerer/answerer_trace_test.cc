// Spans of answers and of the calls of a model.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "common/json.h"
#include "common/tracer.h"
#include "tests/support/span_keeper.h"
#include "tests/unit/answerer/answerer_fixture.h"
#include "tests/unit/answerer/chat_server.h"
#include "workers/answerer/openai_model.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

std::string texts_of(const std::vector<Span>& spans) {
  std::string all;
  for (const Span& span : spans) {
    all += span.name + "\n";
    for (const auto& [key, value] : span.attributes) {
      if (const auto* text = std::get_if<std::string>(&value)) all += *text + "\n";
    }
  }
  return all;
}

class AnswererTraceTest : public AnswererTest {
 protected:
  AnswererTraceTest() { options.tracer = &tracer; }
  // The span of this name; the runner has ended.
  Span span(const std::string& name) {
    driver->stop();
    for (const Span& each : keeper.spans()) {
      if (each.name == name) return each;
    }
    ADD_FAILURE() << "no span " << name << " in\n" << texts_of(keeper.spans());
    return {};
  }
  Record question(const std::string& name) {
    Record record = to_record(found(name));
    record.set_header(headers::kTraceparent, std::string{kParent});
    return record;
  }
  FakeClock clock;
  SpanKeeper keeper;
  const Tracer tracer{clock, keeper, 1};
};

TEST_F(AnswererTraceTest, has_a_span_for_an_answer_that_its_events_carry) {
  begin().pipe(question("boiling"));
  const Span answer = span("answer");
  EXPECT_EQ(answer.parent_span_id, "b7ad6b7169203331");
  EXPECT_EQ(answer.kind, Span::Kind::internal);
  EXPECT_TRUE(has(answer, "millrace.query_id", id_of("boiling")));
  EXPECT_TRUE(has(answer, "millrace.passages", std::int64_t{2}));
  EXPECT_TRUE(has(answer, "millrace.answer.refused", false));
  EXPECT_FALSE(answer.failed);
  EXPECT_EQ(span("answerer passages").parent_span_id, "b7ad6b7169203331");
  for (const std::string_view topic : {topics::kAnswers, topics::kTranscripts}) {
    const auto records = driver->read(topic);
    ASSERT_THAT(records, Not(IsEmpty()));
    for (const Record& record : records) {
      EXPECT_EQ(record.header(headers::kTraceparent), answer.context.traceparent());
    }
  }
  const std::string texts = texts_of(keeper.spans());
  for (const char* text : {"Some text", "Water", "Title"}) EXPECT_THAT(texts, Not(HasSubstr(text)));
}

TEST_F(AnswererTraceTest, says_why_an_answer_failed) {
  model.fail(rejected("a secret of the question"));
  begin().pipe(question("boiling"));
  const Span answer = span("answer");
  EXPECT_TRUE(answer.failed);
  EXPECT_TRUE(has(answer, "error.type", std::string{"model_rejected"}));
  EXPECT_THAT(texts_of(keeper.spans()), Not(HasSubstr("secret")));
}

TEST_F(AnswererTraceTest, has_no_span_where_the_trace_is_not_sampled) {
  Record record = to_record(found("boiling"));
  record.set_header(headers::kTraceparent, std::string{kUnsampled});
  begin().pipe(std::move(record));
  driver->stop();
  EXPECT_THAT(keeper.spans(), IsEmpty());
  for (const Record& event : driver->read(topics::kAnswers)) {
    EXPECT_FALSE(parse_traceparent(event.header(headers::kTraceparent))->sampled);
  }
}

class ModelTraceTest : public ::testing::Test {
 protected:
  Result<AnswerDraft> ask(const std::string& base_url, const Tracer* with) {
    OpenAiOptions options;
    options.base_url = base_url;
    options.api_key = "sk-very-secret";
    options.model = "m";
    options.retry_pause = std::chrono::milliseconds{1};
    OpenAiModel model{options, with};
    const AnswerTask task{"When does water boil?",
                          {passage("a", 0.8, "Water boils at 100 degrees.")},
                          std::string{kParent}};
    boost::asio::io_context io{1};
    Result<AnswerDraft> result = fatal("no answer");
    boost::asio::co_spawn(io, model.answer(task, [](std::string_view) { return true; }),
                          [&](const std::exception_ptr& thrown, Result<AnswerDraft> draft) {
                            if (!thrown) result = std::move(draft);
                          });
    io.run();
    return result;
  }
  static ChatServer::Script reply(std::string text) {
    return [text = std::move(text)](ChatServer::Socket& socket) { ChatServer::send(socket, text); };
  }
  static ChatServer::Script good() {
    return reply(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"It boils [1].\"},"
        "\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":5}}\n\n"
        "data: [DONE]\n\n");
  }
  FakeClock clock;
  SpanKeeper keeper;
  const Tracer tracer{clock, keeper, 1};
};

TEST_F(ModelTraceTest, follows_the_conventions_for_generative_ai) {
  ChatServer server{{reply("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), good()}};
  ASSERT_TRUE(ask(server.base_url(), &tracer));
  ASSERT_THAT(keeper.spans(), SizeIs(1));  // of both calls
  const Span span = keeper.spans()[0];
  EXPECT_EQ(span.name, "chat m");
  EXPECT_EQ(span.kind, Span::Kind::client);
  EXPECT_EQ(span.parent_span_id, "b7ad6b7169203331");
  EXPECT_FALSE(span.failed);
  EXPECT_TRUE(has(span, "gen_ai.operation.name", std::string{"chat"}));
  EXPECT_TRUE(has(span, "gen_ai.provider.name", std::string{"openai"}));
  EXPECT_TRUE(has(span, "gen_ai.request.model", std::string{"m"}));
  EXPECT_TRUE(has(span, "gen_ai.request.max_tokens", std::int64_t{1'024}));
  EXPECT_TRUE(has(span, "gen_ai.response.model", std::string{"m-1"}));
  EXPECT_TRUE(has(span, "gen_ai.usage.input_tokens", std::int64_t{21}));
  EXPECT_TRUE(has(span, "gen_ai.usage.output_tokens", std::int64_t{5}));
  EXPECT_TRUE(has(span, "server.address", std::string{"127.0.0.1"}));
  const Span::Value* first = attribute(span, "gen_ai.response.time_to_first_chunk");
  ASSERT_NE(first, nullptr);
  EXPECT_GE(std::get<double>(*first), 0);
  const std::string texts = texts_of(keeper.spans());
  for (const char* text : {"water", "Water", "boils", "sk-very"}) {
    EXPECT_THAT(texts, Not(HasSubstr(text)));
  }
  for (const std::string& request : server.requests()) {
    EXPECT_THAT(request, HasSubstr("traceparent: " + span.context.traceparent() + "\r\n"));
  }
}

TEST_F(ModelTraceTest, says_what_kind_of_failure_there_was) {
  ChatServer server{{reply("HTTP/1.1 401 No\r\nContent-Length: 7\r\n\r\nWater!!")}};
  ASSERT_FALSE(ask(server.base_url(), &tracer));
  ASSERT_THAT(keeper.spans(), SizeIs(1));
  EXPECT_TRUE(keeper.spans()[0].failed);
  EXPECT_TRUE(has(keeper.spans()[0], "error.type", std::string{"rejected"}));
  EXPECT_THAT(texts_of(keeper.spans()), Not(HasSubstr("Water")));
}

TEST_F(ModelTraceTest, tells_the_server_of_the_trace_without_a_tracer_too) {
  ChatServer server{{good()}};
  ASSERT_TRUE(ask(server.base_url(), nullptr));
  EXPECT_THAT(server.requests().at(0), HasSubstr("traceparent: " + std::string{kParent} + "\r\n"));
}

}  // namespace
}  // namespace millrace
