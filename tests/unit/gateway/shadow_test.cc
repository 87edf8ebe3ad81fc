#include "gateway/shadow.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

Passage passage(const std::string& document, std::int64_t start = 0, std::int64_t end = 100) {
  Passage made;
  made.document_id = document;
  made.start = start;
  made.end = end;
  return made;
}

const std::vector<Passage> kServing{passage("a"), passage("b"), passage("c")};

TEST(Shadow, the_same_ranking_loses_nothing) {
  const ShadowQuestion same = compare_rankings(kServing, kServing, {});
  EXPECT_EQ(same.overlap, 1);
  EXPECT_DOUBLE_EQ(same.ndcg, 1);
  EXPECT_DOUBLE_EQ(same.ndcg_serving, 1);
}

// By hand: gains 3, 2, 1 for a, b, c; b, a, d gives 2 + 3 / log2(3), of 3 + 2 / log2(3) + 1 / 2.
TEST(Shadow, without_citations_the_serving_order_is_the_best) {
  const ShadowQuestion other =
      compare_rankings(kServing, {passage("b"), passage("a"), passage("d")}, {});
  EXPECT_DOUBLE_EQ(other.overlap, 2.0 / 3);
  const double log3 = std::log2(3.0);
  EXPECT_DOUBLE_EQ(other.ndcg, (2 + 3 / log3) / (3 + 2 / log3 + 0.5));
  EXPECT_DOUBLE_EQ(other.ndcg_serving, 1);
}

// By hand: c is cited, third before and first now.
TEST(Shadow, what_was_cited_is_what_counts) {
  const ShadowQuestion better =
      compare_rankings(kServing, {passage("c"), passage("a"), passage("b")}, {passage("c")});
  EXPECT_DOUBLE_EQ(better.ndcg, 1);
  EXPECT_DOUBLE_EQ(better.ndcg_serving, 0.5);
  ASSERT_EQ(better.cited.size(), 1U);
  EXPECT_EQ(better.cited[0].rank_serving, 3U);
  EXPECT_EQ(better.cited[0].rank_shadow, 1U);
  const ShadowQuestion lost = compare_rankings(kServing, {passage("a")}, {passage("c")});
  EXPECT_EQ(lost.ndcg, 0);
  EXPECT_EQ(lost.cited[0].rank_shadow, 0U);
}

// Two halves of a chunk are worth no more than the chunk.
TEST(Shadow, a_chunk_that_was_cut_counts_once) {
  const ShadowQuestion cut = compare_rankings(
      kServing, {passage("a", 0, 50), passage("a", 50, 100), passage("b")}, {passage("a")});
  EXPECT_DOUBLE_EQ(cut.ndcg, 1);
  EXPECT_DOUBLE_EQ(cut.overlap, 2.0 / 3);
}

TEST(Shadow, where_nothing_was_found_nothing_is_lost) {
  const ShadowQuestion none = compare_rankings({}, {passage("a")}, {});
  EXPECT_EQ(none.overlap, 1);
  EXPECT_EQ(none.ndcg, 1);
}

TEST(Shadow, compares_answers) {
  Answer serving;
  serving.text = "Two.";
  serving.citations.resize(2);
  serving.citations[0].document_id = "a";
  serving.citations[0].end = 10;
  serving.citations[1].document_id = "b";
  serving.citations[1].end = 10;
  Answer shadow = serving;
  EXPECT_TRUE(compare_answers(serving, shadow).same);
  EXPECT_EQ(compare_answers(serving, shadow).shared_citations, 1);
  shadow.citations[1].start = 10;
  shadow.citations[1].end = 20;
  shadow.text = "One.";
  shadow.refused = true;
  const ShadowAnswers compared = compare_answers(serving, shadow);
  EXPECT_FALSE(compared.same);
  EXPECT_TRUE(compared.refused_shadow);
  EXPECT_FALSE(compared.refused_serving);
  EXPECT_EQ(compared.shared_citations, 0.5);
}

ShadowReport report_of(std::vector<double> overlaps) {
  ShadowReport report;
  for (const double each : overlaps) {
    ShadowQuestion& question = report.questions.emplace_back();
    question.overlap = each;
    question.ndcg = 0.9;
  }
  return report;
}

TEST(ShadowGate, allows_what_reaches_it_and_refuses_what_does_not) {
  ShadowReport report = report_of({0.5, 1, 0.75, 0.75});
  conclude(report, {0.75, 0.9});
  EXPECT_DOUBLE_EQ(report.overlap, 0.75);
  EXPECT_TRUE(report.passed());
  report = report_of({0.5, 1, 0.75, 0.75});
  conclude(report, {0.76, 0.91});
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(failures(report),
            "overlap is 0.7500, at least 0.7600 is wanted; ndcg is 0.9000, at least 0.9100 is "
            "wanted");
}

TEST(ShadowGate, passes_nobody_without_a_question) {
  ShadowReport report = report_of({});
  conclude(report, {0.0, std::nullopt});
  EXPECT_FALSE(report.passed());
  report = report_of({});
  conclude(report, {});
  EXPECT_TRUE(report.passed());
}

}  // namespace
}  // namespace millrace
