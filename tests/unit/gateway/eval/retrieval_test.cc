// The figures of rankings, against values worked out by hand: linear gains, log2(rank + 1).
#include "gateway/cli/eval/retrieval.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include "gateway/cli/eval/figures.h"

namespace millrace {
namespace {

using Ranking = std::vector<std::string>;

enum Place : std::size_t { ndcg, recall_10, recall_100, mrr, success };

RetrievalScores scores_of(const Ranking& ranking, const Judgements& judgements) {
  const auto scores = score_ranking(ranking, judgements);
  EXPECT_TRUE(scores.has_value());
  return scores.value_or(RetrievalScores{});
}

Ranking numbered(std::size_t count, const std::string& prefix = "x") {
  Ranking out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(prefix + std::to_string(i));
  return out;
}

TEST(RankingScores, are_all_one_for_the_best_ranking) {
  const auto scores = scores_of({"a", "b", "c"}, {{"a", 2}, {"b", 1}});
  for (const double each : scores) EXPECT_DOUBLE_EQ(each, 1);
}

TEST(RankingScores, gain_by_grade_and_lose_by_rank) {
  // b (1) at 1, a (2) at 3: 1/1 + 2/2, of the best 2/1 + 1/log2(3) = 2.6309297536.
  const auto scores = scores_of({"b", "x", "a"}, {{"a", 2}, {"b", 1}});
  EXPECT_NEAR(scores[ndcg], 2 / 2.6309297535714573, 1e-12);
  EXPECT_DOUBLE_EQ(scores[mrr], 1);
  EXPECT_DOUBLE_EQ(scores[success], 1);
}

TEST(RankingScores, look_at_ten_and_at_a_hundred_documents) {
  Ranking ranking = numbered(9);
  ranking.push_back("tenth");
  ranking.push_back("eleventh");
  for (const std::string& each : numbered(88, "y")) ranking.push_back(each);
  ranking.push_back("hundredth");
  ranking.push_back("past");
  const auto scores =
      scores_of(ranking, {{"tenth", 1}, {"eleventh", 1}, {"hundredth", 1}, {"past", 1}});
  EXPECT_DOUBLE_EQ(scores[recall_10], 0.25);
  EXPECT_DOUBLE_EQ(scores[recall_100], 0.75);
  EXPECT_DOUBLE_EQ(scores[mrr], 0.1);
  EXPECT_DOUBLE_EQ(scores[success], 0);
  // 1/log2(11) of the four best ranks: 1 + 1/log2(3) + 1/2 + 1/log2(5) = 2.5616063116.
  EXPECT_NEAR(scores[ndcg], 0.28906482631788782 / 2.5616063116448506, 1e-12);
}

TEST(RankingScores, count_a_document_of_several_chunks_once_where_it_is_first) {
  const auto scores = scores_of({"x", "a", "a", "x", "b"}, {{"a", 1}, {"b", 1}});
  // As x, a, b: (1/log2(3) + 1/2) / (1 + 1/log2(3)).
  EXPECT_NEAR(scores[ndcg], 1.1309297535714575 / 1.6309297535714575, 1e-12);
  EXPECT_DOUBLE_EQ(scores[recall_10], 1);
  EXPECT_DOUBLE_EQ(scores[mrr], 0.5);
}

TEST(RankingScores, are_zero_where_nothing_was_found) {
  for (const double each : scores_of({}, {{"a", 1}})) EXPECT_EQ(each, 0);
}

TEST(RankingScores, take_grades_of_zero_and_below_as_not_relevant) {
  EXPECT_FALSE(score_ranking(Ranking{"a"}, {{"a", 0}, {"b", -1}}));
  EXPECT_FALSE(score_ranking(Ranking{"a"}, {}));
  const auto scores = scores_of({"bad", "zero", "a"}, {{"bad", -2}, {"zero", 0}, {"a", 1}});
  EXPECT_DOUBLE_EQ(scores[ndcg], 0.5);  // 1/log2(4), and nothing lost to the negative one
  EXPECT_DOUBLE_EQ(scores[recall_10], 1);
  EXPECT_DOUBLE_EQ(scores[mrr], 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores[success], 0);
}

TEST(RankingScores, compare_with_the_ten_best_documents_at_most) {
  Judgements judgements;
  for (const std::string& each : numbered(12)) judgements[each] = 1;
  const auto scores = scores_of(numbered(12), judgements);
  EXPECT_DOUBLE_EQ(scores[ndcg], 1);
  EXPECT_DOUBLE_EQ(scores[recall_10], 10.0 / 12);
  EXPECT_DOUBLE_EQ(scores[recall_100], 1);
}

// As the usual scorers read a run: by falling score, then rank, then document.
Ranking order_of(const std::string& run) {
  std::vector<std::tuple<double, int, std::string>> rows;
  std::istringstream in{run};
  std::string query;
  std::string zero;
  std::string document;
  std::string tag;
  int rank = 0;
  double score = 0;
  while (in >> query >> zero >> document >> rank >> score >> tag) {
    rows.emplace_back(-score, rank, document);
  }
  std::ranges::sort(rows);
  Ranking out;
  for (const auto& row : rows) out.push_back(std::get<2>(row));
  return out;
}

TEST(RunFile, has_the_order_of_the_ranking_without_ties) {
  EXPECT_EQ(*run_lines("q1", Ranking{"b", "a", "b", "c"}),
            "q1 Q0 b 1 3 millrace\nq1 Q0 a 2 2 millrace\nq1 Q0 c 3 1 millrace\n");
  EXPECT_EQ(*run_lines("q1", Ranking{}), "");
  Ranking ranking = numbered(100);
  std::ranges::reverse(ranking);
  EXPECT_EQ(order_of(*run_lines("q", ranking)), ranking);
}

TEST(RunFile, takes_no_id_with_a_blank) {
  EXPECT_TRUE(run_lines("q-1", Ranking{"doc-1/ü"}));
  for (const char* each : {"", "a b", "a\tb", "a\nb", "\u00a0", "x\u3000y", "\u2028"}) {
    EXPECT_FALSE(run_lines(each, Ranking{"d"})) << each;
    const auto lines = run_lines("q", Ranking{"d", each});
    ASSERT_FALSE(lines) << each;
    EXPECT_THAT(lines.error().message, ::testing::HasSubstr("document \"" + std::string{each}));
  }
}

TEST(Figures, are_means_of_their_cases) {
  Mean mean;
  EXPECT_EQ(mean.value(), 0);
  mean.add(1);
  mean.add(0.5);
  EXPECT_DOUBLE_EQ(mean.value(), 0.75);
  EXPECT_EQ(mean.cases(), 2U);
}

TEST(Figures, tell_latencies_by_nearest_rank) {
  std::vector<double> times;
  for (int i = 200; i > 0; --i) times.push_back(i);
  const Latency latency = latency_of("search", times);
  EXPECT_EQ(latency.p50_ms, 100);
  EXPECT_EQ(latency.p99_ms, 198);
  EXPECT_EQ(latency_of("search", {7}).p99_ms, 7);
  EXPECT_EQ(latency_of("search", {}).p50_ms, 0);
}

TEST(Figures, have_names_and_no_others) {
  EXPECT_EQ(*figure_name("ndcg@10", "dense"), "dense.ndcg@10");
  EXPECT_EQ(*figure_name("lexical.mrr@10", "dense"), "lexical.mrr@10");
  EXPECT_EQ(*figure_name("refusals", "dense"), "refusals");
  for (const char* each : {"", "ndcg", "ndcg@5", "psychic.ndcg@10", "dense.refusals", "p50_ms"}) {
    const auto name = figure_name(each, "hybrid");
    ASSERT_FALSE(name) << each;
    EXPECT_THAT(name.error().message, ::testing::HasSubstr("recall@100"));
  }
}

}  // namespace
}  // namespace millrace
