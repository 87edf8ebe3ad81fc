// Mistakes in questions, wherever one is asked: each gets a problem that names what is wrong and
// says what would be right.
#include <gmock/gmock.h>

#include "fixture.h"
#include "gateway/routes.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Place {
  const char* path;
  const char* member;  // that holds the question
  const char* accept;
};
constexpr Place kPlaces[] = {
    {"/v1/collections/default/search", "query", "application/json"},
    {"/v1/collections/default/queries", "question", "application/json"},
    {"/v1/collections/default/queries?wait=true", "question", "application/json"},
    {"/v1/collections/default/queries", "question", "text/event-stream"},
    {"/search", "query", "application/json"},
    {"/search", "question", "application/json"},
    {"/ask", "question", "application/json"},
};

// A member beside a question that is right.
struct BadOption {
  std::string member;
  const char* names;
  const char* says;
};

std::string nested(int depth, const std::string& begin, const std::string& end) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += begin;
  text += R"({"a":1})";
  for (int i = 0; i < depth; ++i) text += end;
  return text;
}

std::string list_of(int count, const std::string& value) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i == 0 ? "[" : ",") + value;
  return text + "]";
}

std::vector<BadOption> bad_filters() {
  const char* operators = "the operators are eq, ne, lt, lte, gt, gte, in and exists";
  const std::string conditions = list_of(65, R"({"a":1})");
  const std::string long_text = json::quote(std::string(1'025, 'x'));
  const std::string half_long = json::quote(std::string(1'000, 'x'));
  const std::string too_deep = nested(9, R"({"or":[)", "]}");
  const std::string much_too_deep = nested(70, R"({"not":)", "}");
  return {
      {R"("filter":[])", "filter", "expected an object such as"},
      {R"("filter":"a = 1")", "filter", "expected an object such as"},
      {R"("filter":{"a":null})", "filter.a", R"(write {"a": {"exists": false}})"},
      {R"("filter":{"a":[1]})", "filter.a", R"(write {"a": {"in": [value, …]}})"},
      {R"("filter":{"a":{}})", "filter.a", operators},
      {R"("filter":{"a":{"like":"x"}})", "filter.a", operators},
      {R"("filter":{"a":{"in":[]}})", "filter.a.in", "at least one value"},
      {R"("filter":{"a":{"in":3}})", "filter.a.in", "at least one value"},
      {R"("filter":{"a":{"exists":1}})", "filter.a.exists", "expected true or false"},
      {R"("filter":{"a":{"gt":true}})", "filter.a.gt", "expected a string or a number"},
      {R"("filter":{"and":{}})", "filter.and", R"(write {"and": [filter, …]})"},
      {R"("filter":{"or":[]})", "filter.or", R"(write {"or": [filter, …]})"},
      {R"("filter":{"not":[]})", "filter.not", R"(write {"not": {"or": [filter, …]}})"},
      {R"("filter":{"a":)" + long_text + "}", "filter.a", "more than 1024 bytes"},
      {R"("filter":{"a":{"in":)" + list_of(1'001, "1") + "}}", "filter.a.in", "more than 1000"},
      {R"("filter":{"a":{"in":)" + list_of(66, half_long) + "}}", "filter", "larger than 65536"},
      {R"("filter":{"and":)" + conditions + "}", "filter.and[64]", "more than 64 conditions"},
      {R"("filter":)" + too_deep, "filter.or[0].or[0]", "deeper than 8 levels"},
      {R"("filter":)" + much_too_deep, "not valid JSON", "deeper than 64 levels"},
      {R"("filter":{"a":1e400})", "not valid JSON", "fits a double"},
      {R"("filter":{"a":1,"a":2})", "\"a\"", "there twice"},
  };
}

std::vector<BadOption> bad_options() {
  return {
      {R"("top_k":0)", "top_k", "an integer from 1 to 100, not 0"},
      {R"("top_k":101)", "top_k", "an integer from 1 to 100, not 101"},
      {R"("top_k":1e99)", "top_k", "an integer from 1 to 100"},
      {R"("top_k":1.5)", "top_k", "an integer from 1 to 100, not 1.5"},
      {R"("top_k":"6")", "top_k", "an integer from 1 to 100, not a string"},
      {R"("mode":"bm25")", "mode", R"(must be "hybrid", "dense" or "lexical")"},
      {R"("mode":"")", "mode", R"(must be "hybrid", "dense" or "lexical")"},
      {R"("mode":1)", "mode", "must be a string"},
      {R"("diversity":1.01)", "diversity", "must be a number from 0 to 1"},
      {R"("diversity":-1)", "diversity", "must be a number from 0 to 1"},
      {R"("diversity":true)", "diversity", "must be a number"},
      {R"("one_per_document":1)", "one_per_document", "must be true or false"},
      {R"("one_per_document":"true")", "one_per_document", "must be true or false"},
      // What only the system itself may say: nobody sends vectors or says what he may see.
      {R"("vector":[0.1,0.2])", "vector", "not known here; known are"},
      {R"("groups":["staff"])", "groups", "not known here; known are"},
      {R"("sees_everything":true)", "sees_everything", "not known here; known are"},
      {R"("k":3)", "\"k\"", "not known here; known are"},
  };
}

class BadQuestions : public GatewayTest {
 protected:
  void SetUp() override { start(); }
  void expect_problem(const Place& place, const std::string& body, const std::string& names,
                      const std::string& says) {
    SCOPED_TRACE(std::string{place.path} + " " + body.substr(0, 200));
    const Extra extra{"application/json", {}, {{"Accept", place.accept}}};
    const HttpResponse response = call("POST", place.path, body, extra);
    EXPECT_EQ(response.status, 400U) << response.body;
    EXPECT_THAT(problem_detail(response), AllOf(HasSubstr(names), HasSubstr(says)));
  }
  void expect_problem(const Place& place, const BadOption& option) {
    const std::string question = "{\"" + std::string{place.member} + R"(":"why?",)";
    expect_problem(place, question + option.member + "}", option.names, option.says);
  }
  // Nothing of it has reached the log.
  void TearDown() override {
    const auto ends = end_offsets(log(), topics::kQueries);
    ASSERT_TRUE(ends);
    for (const auto& [partition, end] : *ends) EXPECT_EQ(end, 0);
  }
};

TEST_F(BadQuestions, are_looked_for_wherever_one_can_ask) {
  std::set<std::string> asks;
  for (const Place& place : kPlaces) asks.insert(std::string{place.path});
  for (const Route& route : route_table()) {
    const std::string path{route.path};
    const bool takes_json = route.verb == Verb::post && route.body == Route::Body::json;
    const bool asks_again = path.ends_with("/replay");  // what was asked before
    if (!takes_json || route.role != Role::reader || asks_again) continue;
    const auto at = path.find("{c}");
    const std::string filled =
        at == std::string::npos ? path : std::string{path}.replace(at, 3, "default");
    EXPECT_TRUE(asks.count(filled) == 1) << path;
  }
}

TEST_F(BadQuestions, have_filters_that_cannot_be) {
  for (const Place& place : kPlaces) {
    for (const BadOption& option : bad_filters()) expect_problem(place, option);
  }
}

TEST_F(BadQuestions, have_options_that_cannot_be) {
  for (const Place& place : kPlaces) {
    for (const BadOption& option : bad_options()) expect_problem(place, option);
  }
}

TEST_F(BadQuestions, are_empty_or_too_long) {
  const std::string longest(options().question_bytes_max, 'a');
  const std::string limit = std::to_string(options().question_bytes_max);
  for (const Place& place : kPlaces) {
    const auto with = [&](const std::string& question) {
      return "{\"" + std::string{place.member} + "\":" + question + "}";
    };
    for (const char* blank : {R"("")", R"(" \n\t")", R"("\u00a0\u3000\u200b\ufeff")"}) {
      expect_problem(place, with(blank), place.member, "is empty");
    }
    expect_problem(place, with(json::quote(longest + "a")), place.member,
                   "is longer than " + limit + " bytes");
    expect_problem(place, with("7"), place.member, "must be a string, not 7");
    expect_problem(place, "[]", "", "must be an object, not array");
    const HttpResponse huge =
        call("POST", place.path, with(json::quote(std::string(2U << 20U, 'a'))));
    EXPECT_EQ(huge.status, 413U);
    EXPECT_THAT(problem_detail(huge), HasSubstr("takes at most 1048576"));
  }
}

}  // namespace
}  // namespace millrace
