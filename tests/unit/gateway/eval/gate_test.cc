// What figures must reach, from the command line and files, and what is reported of it.
#include "gateway/cli/eval/gate.h"

#include <gmock/gmock.h>

#include "common/json.h"
#include "gateway/cli/eval/report.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string message_of(const auto& result) { return result ? "" : result.error().message; }

TEST(Thresholds, come_from_the_command_line) {
  const auto one = parse_min("ndcg@10=0.70", "dense");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->figure, "dense.ndcg@10");
  EXPECT_EQ(one->least, 0.70);
  EXPECT_THAT(message_of(parse_min("ndcg@10", "hybrid")), HasSubstr("ndcg@10=0.70"));
  for (const char* each :
       {"mrr@10=", "mrr@10=x", "mrr@10=1.5", "mrr@10=-1", "mrr@10=nan", "mrr@10=70%"}) {
    EXPECT_THAT(message_of(parse_min(each, "hybrid")), HasSubstr("from 0 to 1")) << each;
  }
  EXPECT_THAT(message_of(parse_min("speed=1", "hybrid")), HasSubstr("injections_resisted"));
}

TEST(Thresholds, come_from_files_of_lines_and_of_json) {
  const auto lines = parse_thresholds(
      "---\n# ours\nndcg@10: 0.7   # found\r\n\n'lexical.mrr@10': .5\n", "t.yaml", "hybrid");
  ASSERT_TRUE(lines) << lines.error().message;
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ((*lines)[0].figure, "hybrid.ndcg@10");
  EXPECT_EQ((*lines)[0].origin, "t.yaml line 3");
  EXPECT_EQ((*lines)[1].least, 0.5);
  const auto object = parse_thresholds("\n {\"refusals\": 1}", "t.json", "hybrid");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->at(0).figure, "refusals");
}

TEST(Thresholds, that_make_no_sense_are_refused_with_their_place) {
  EXPECT_THAT(message_of(parse_thresholds("a: 1\n", "t.yaml", "hybrid")),
              HasSubstr("t.yaml line 1"));
  EXPECT_THAT(message_of(parse_thresholds("\nndcg@10\n", "t.yaml", "hybrid")), HasSubstr("line 2"));
  EXPECT_THAT(message_of(parse_thresholds("# none\n", "t.yaml", "hybrid")), HasSubstr("no figure"));
  EXPECT_FALSE(parse_thresholds("{\"refusals\": \"1\"}", "t.json", "hybrid"));
  EXPECT_FALSE(parse_thresholds("{\"refusals\": 2}", "t.json", "hybrid"));
  EXPECT_FALSE(parse_thresholds("{", "t.json", "hybrid"));
}

const std::vector<Figure> kFigures{{"hybrid.ndcg@10", 0.7, 20}, {"refusals", 0.25, 4}};

TEST(Gate, passes_what_is_reached_and_fails_what_is_not) {
  const std::vector<Threshold> wanted{
      {"hybrid.ndcg@10", 0.7, "a"}, {"hybrid.ndcg@10", 0.7001, "--min"}, {"faithfulness", 0, "b"}};
  const auto checks = check(wanted, kFigures);
  EXPECT_TRUE(checks[0].passed);
  EXPECT_FALSE(checks[1].passed);
  EXPECT_EQ(describe(checks[1]), "hybrid.ndcg@10 is 0.7000, at least 0.7001 is wanted by --min");
  EXPECT_FALSE(checks[2].passed);
  EXPECT_THAT(describe(checks[2]), HasSubstr("faithfulness was not measured"));
}

TEST(Gate, compares_with_an_earlier_report) {
  Report report;
  report.figures = kFigures;
  const std::string baseline = report_json(report);
  const auto thresholds = parse_baseline(baseline, "b.json", 0.01);
  ASSERT_TRUE(thresholds) << thresholds.error().message;
  EXPECT_TRUE(
      check(*thresholds, std::vector<Figure>{{"hybrid.ndcg@10", 0.69, 20}, {"refusals", 1, 4}})[0]
          .passed);
  const auto worse = check(*thresholds, std::vector<Figure>{{"hybrid.ndcg@10", 0.6899, 20}});
  EXPECT_FALSE(worse[0].passed);
  EXPECT_FALSE(worse[1].passed);  // not measured any more
  for (const char* each : {"{}", "[]", "x", R"({"figures":{}})", R"({"figures":{"speed":1}})",
                           R"({"figures":{"refusals":"1"}})"}) {
    EXPECT_FALSE(parse_baseline(each, "b.json", 0.01)) << each;
  }
}

Report failing_report() {
  Report report;
  report.input = "a<b>&\"c\"\x1b[2J";
  report.documents = 2;
  report.queries = 20;
  report.questions = 4;
  report.figures = kFigures;
  report.latencies = {{"hybrid.search", 1.5, 9.25, 20}, {"first_token", 3, 4, 4}};
  report.failed_documents = {"bad\x07: broken <PDF>"};
  const std::vector<Threshold> wanted{{"hybrid.ndcg@10", 0.6, "--min"},
                                      {"refusals", 1, "t.yaml line 2"}};
  report.checks = check(wanted, report.figures);
  return report;
}

TEST(Report, passes_only_without_failures) {
  EXPECT_FALSE(failing_report().passed());
  Report report;
  EXPECT_TRUE(report.passed());
  report.failed_documents = {"d: x"};
  EXPECT_FALSE(report.passed());
}

TEST(Report, is_a_table_for_people_without_control_characters) {
  std::ostringstream out;
  print_report(failing_report(), out);
  EXPECT_THAT(out.str(), HasSubstr("hybrid         0.7000"));
  EXPECT_THAT(out.str(),
              HasSubstr("BELOW   refusals is 0.2500, at least 1.0000 is wanted by t.yaml"));
  EXPECT_THAT(out.str(), HasSubstr("failed  bad?: broken"));
  EXPECT_THAT(out.str(), Not(HasSubstr("\x1b")));
}

TEST(Report, is_json_with_whole_names) {
  const auto parsed = json::Document::parse(report_json(failing_report()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->root().member("figures").member("hybrid.ndcg@10").as_double(), 0.7);
  EXPECT_EQ(parsed->root().member("cases").member("refusals").as_integer(), 4);
  EXPECT_FALSE(parsed->root().member("passed").as_bool());
  EXPECT_EQ(parsed->root().member("checks").size(), 2U);
}

TEST(Report, is_junit_with_what_is_hostile_escaped) {
  const std::string junit = report_junit(failing_report());
  EXPECT_THAT(junit, HasSubstr("name=\"millrace eval a&lt;b&gt;&amp;&quot;c&quot;?[2J\""));
  EXPECT_THAT(junit, HasSubstr("tests=\"3\" failures=\"2\""));
  EXPECT_THAT(junit, HasSubstr("broken &lt;PDF&gt;"));
  EXPECT_THAT(junit, HasSubstr("hybrid.ndcg@10 at least 0.6000 (--min)\"/>"));
}

}  // namespace
}  // namespace millrace
