// Replays and comparisons over HTTP, with stages that always find the same passage and record
// nothing of how.
#include <gmock/gmock.h>

#include "fixture.h"
#include "gateway/query_ids.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class Replays : public GatewayTest {
 protected:
  void SetUp() override {
    start();
    start_stages();
  }

  std::string ask(const std::string& question) {
    const auto asked =
        post("/v1/collections/default/queries", "{\"question\":" + json::quote(question) + "}");
    EXPECT_EQ(asked.status, 202U) << asked.body;
    return text_member(asked.body, "id");
  }
  // Once the transcript is in the table.
  HttpResponse replay(const std::string& id, const std::string& body = "{}") {
    for (;;) {
      HttpResponse answer = post("/v1/queries/" + id + "/replay", body);
      if (answer.status != 409) return answer;
    }
  }
};

TEST_F(Replays, a_query_whose_making_was_not_recorded_is_replayed_as_far_as_it_goes) {
  index_text("default", sample_passage().document_id, "The wheel turns.");
  const std::string id = ask("How slowly does it turn?");
  const HttpResponse answer = replay(id);
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr("\"same\":true"));
  EXPECT_THAT(answer.body, HasSubstr("\"cause\":\"not_recorded\""));
  EXPECT_THAT(answer.body, HasSubstr("\"same_answer\":true"));
  const HttpResponse passages = replay(id, R"({"answer":false})");
  ASSERT_EQ(passages.status, 200U) << passages.body;
  EXPECT_THAT(passages.body, ::testing::Not(HasSubstr("same_answer")));
}

TEST_F(Replays, of_a_query_that_failed_the_passages_are_compared) {
  const HttpResponse answer = replay(ask("break"));
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr("\"same\":false"));
  EXPECT_THAT(answer.body, HasSubstr("\"change\":\"new\""));
}

TEST_F(Replays, need_a_query_that_has_ended) {
  const std::string id = ask("hang");
  const HttpResponse running = post("/v1/queries/" + id + "/replay", "{}");
  EXPECT_EQ(running.status, 409U);
  EXPECT_THAT(problem_detail(running), HasSubstr("still being answered"));
  EXPECT_EQ(post("/v1/queries/nonsense/replay", "{}").status, 404U);
  const HttpResponse wrong = post("/v1/queries/" + id + "/replay", R"({"answer":1})");
  EXPECT_EQ(wrong.status, 400U);
  EXPECT_THAT(problem_detail(wrong), HasSubstr("answer"));
}

TEST(QueryIdsSince, lie_before_what_is_made_then_and_not_before_what_was_made_earlier) {
  constexpr Clock::Wall kTime{std::chrono::milliseconds{1'700'000'000'123}};
  const std::string since = query_ids_since(kTime);
  EXPECT_EQ(ulid_time(since + "0000000000000000"), kTime);
  EXPECT_LT(query_ids_since(kTime - std::chrono::milliseconds{1}) + "ZZZZZZZZZZZZZZZZ", since);
  EXPECT_EQ(query_ids_since(Clock::Wall{}), "0000000000");
  EXPECT_EQ(ulid_time("no ulid"), Clock::Wall{});
}

}  // namespace
}  // namespace millrace
