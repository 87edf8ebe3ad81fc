// How a question is asked, from the request to the log, and what of it comes back.
#include <gmock/gmock.h>

#include "fixture.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class QuestionOptions : public GatewayTest {
 protected:
  void SetUp() override {
    start();
    start_stages();
  }

  // As the log has it, of a question that was answered.
  Query logged(const std::string& question) {
    const std::vector<std::string> names{std::string{topics::kQueries}};
    const auto from = begin_offsets(log(), names);
    auto reader = log().open_reader(*from);
    for (;;) {
      const auto records = (*reader)->poll(100, 1U << 20U, std::chrono::milliseconds{1'000});
      if (!records || records->empty()) break;
      for (const Record& record : *records) {
        const auto query = query_from(record);
        if (query && query->question == question) return *query;
      }
    }
    ADD_FAILURE() << "no question " << question << " in the log";
    return {};
  }
};

struct Endpoint {
  const char* path;
  const char* member;
  bool explains;
};
constexpr Endpoint kEndpoints[] = {
    {"/v1/collections/default/search", "query", true},
    {"/v1/collections/default/queries?wait=true", "question", true},
    {"/search", "query", false},
    {"/ask", "question", false},
};

TEST_F(QuestionOptions, stand_in_the_log_as_they_were_asked) {
  const std::string filter =
      R"({"or":[{"year":{"gte":2020}},{"author.name":"Ada"}],"not":{"draft":true}})";
  for (const Endpoint& endpoint : kEndpoints) {
    SCOPED_TRACE(endpoint.path);
    const std::string question = std::string{"all of "} + endpoint.path;
    const std::string explain = endpoint.explains ? R"(,"explain":true)" : "";
    const auto answer =
        post(endpoint.path, "{\"" + std::string{endpoint.member} + "\":" + json::quote(question) +
                                R"(,"top_k":3,"mode":"lexical","one_per_document":true,)" +
                                R"("diversity":0.25,"filter":)" + filter + explain + "}");
    ASSERT_EQ(answer.status, 200U) << answer.body;
    const Query query = logged(question);
    EXPECT_EQ(query.top_k, 3);
    EXPECT_EQ(query.mode, SearchMode::lexical);
    EXPECT_EQ(query.filter, *Filter::parse(filter, {}));
    EXPECT_FALSE(query.filter.empty());
    EXPECT_TRUE(query.one_per_document);
    EXPECT_EQ(query.diversity, 0.25);
    EXPECT_EQ(query.explain, endpoint.explains);
  }
}

TEST_F(QuestionOptions, are_the_plain_ones_where_nothing_is_said) {
  for (const Endpoint& endpoint : kEndpoints) {
    SCOPED_TRACE(endpoint.path);
    const std::string question = std::string{"nothing of "} + endpoint.path;
    const auto answer =
        post(endpoint.path, "{\"" + std::string{endpoint.member} + "\":" + json::quote(question) +
                                R"(,"mode":null,"filter":null,"diversity":null})");
    ASSERT_EQ(answer.status, 200U) << answer.body;
    const Query query = logged(question);
    EXPECT_EQ(query.mode, SearchMode::hybrid);
    EXPECT_TRUE(query.filter.empty());
    EXPECT_FALSE(query.one_per_document);
    EXPECT_EQ(query.diversity, 0);
    EXPECT_FALSE(query.explain);
  }
}

TEST_F(QuestionOptions, take_every_mode_and_the_ends_of_diversity) {
  for (const char* option : {R"("mode":"hybrid")", R"("mode":"dense")", R"("mode":"lexical")",
                             R"("diversity":0)", R"("diversity":1)", R"("filter":{})"}) {
    const auto found =
        post("/v1/collections/default/search", "{\"query\":\"wheel\"," + std::string{option} + "}");
    EXPECT_EQ(found.status, 200U) << option << found.body;
  }
}

TEST_F(QuestionOptions, have_scores_explained_where_that_is_asked) {
  const std::string expected =
      R"("explanation":{"dense":0.5,"lexical":1.0,"dense_weight":0.5,"lexical_weight":0.5,)"
      R"("cosine":0.5})";
  const std::string collection = "/v1/collections/default";
  EXPECT_THAT(post(collection + "/search", R"({"query":"wheel","explain":true})").body,
              HasSubstr(expected));
  const auto answer = post(collection + "/queries?wait=true", R"({"question":"a","explain":true})");
  EXPECT_THAT(answer.body, HasSubstr(expected));
  const auto asked = post(collection + "/queries", R"({"question":"b","explain":true})");
  const auto events = stream(text_member(asked.body, "events_url"));
  ASSERT_GT(events.size(), 1U);
  EXPECT_THAT(events[1].data, HasSubstr(expected));
  EXPECT_THAT(post(collection + "/search", R"({"query":"wheel"})").body,
              Not(HasSubstr("explanation")));
}

}  // namespace
}  // namespace millrace
