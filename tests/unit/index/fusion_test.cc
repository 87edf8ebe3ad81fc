#include "workers/index/fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace millrace {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<FusionCandidate> both(std::span<const double> cosines, std::span<const double> bm25) {
  std::vector<FusionCandidate> candidates;
  for (std::size_t i = 0; i < cosines.size(); ++i) {
    candidates.push_back({.cosine = cosines[i], .bm25 = bm25[i]});
  }
  return candidates;
}

// `count` scores that begin with `best` and go on evenly from `next` to `last`.
std::vector<double> falling(std::size_t count, double best, double next, double last) {
  std::vector<double> scores{best};
  const double step = (next - last) / static_cast<double>(count - 2);
  for (std::size_t i = 1; i < count; ++i) {
    scores.push_back(next - static_cast<double>(i - 1) * step);
  }
  return scores;
}

std::vector<double> reversed(std::vector<double> scores) {
  std::ranges::reverse(scores);
  return scores;
}

std::vector<std::size_t> order(const Fusion& fusion) {
  std::vector<std::size_t> result;
  for (const FusedHit& hit : fusion.hits) result.push_back(hit.candidate);
  return result;
}

const FusedHit& hit_of(const Fusion& fusion, std::size_t candidate) {
  return *std::ranges::find(fusion.hits, candidate, &FusedHit::candidate);
}

constexpr double kMax = 10;

TEST(Fusion, a_vector_leg_that_cannot_tell_its_hits_apart_does_not_overrule_words) {
  // A model that does not know the language: high cosines, all alike, the right one last.
  const auto candidates = both(reversed(falling(20, 0.62, 0.60, 0.50)),  //
                               falling(20, 5.0, 2.0, 0.5));
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_EQ(fusion.hits.front().candidate, 0);
  EXPECT_LT(fusion.dense_weight, fusion.lexical_weight);
}

TEST(Fusion, words_that_are_everywhere_do_not_overrule_a_vector_that_stands_out) {
  const auto candidates = both(falling(20, 0.6, 0.3, 0.1),  //
                               reversed(falling(20, 2.5, 2.4, 1.5)));
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_EQ(fusion.hits.front().candidate, 0);
  EXPECT_GT(fusion.dense_weight, 0.7);
}

TEST(Fusion, an_identifier_in_one_passage_beats_the_nearest_vectors) {
  auto candidates = both(falling(50, 0.55, 0.54, 0.3), std::vector<double>(50));
  candidates.push_back({.cosine = 0.2, .bm25 = 8});
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_EQ(fusion.hits.front().candidate, 50);
  EXPECT_EQ(hit_of(fusion, 0).lexical, 0);
}

TEST(Fusion, where_legs_agree_the_passage_that_both_find_comes_first) {
  const std::vector<double> dense{0.60, 0.58, 0.20, 0.1};
  const std::vector<double> bm25{1.0, 5.8, 6.0, 0.5};
  EXPECT_EQ(fuse(both(dense, bm25), kMax).hits.front().candidate, 1);
}

TEST(Fusion, copies_of_the_best_hit_do_not_take_its_leg_the_weight) {
  std::vector<double> copies(5, 0.7);
  const std::vector<double> rest = falling(15, 0.30, 0.25, 0.1);
  copies.insert(copies.end(), rest.begin(), rest.end());
  const Fusion fusion = fuse(both(copies, falling(20, 2.5, 2.4, 2.0)), kMax);
  EXPECT_GT(fusion.dense_weight, 0.8);
}

TEST(Fusion, the_weight_counts_from_the_tenth_hit_so_that_further_ones_do_not_change_it) {
  const auto near = both(falling(12, 0.6, 0.3, 0.11), falling(12, 5.0, 2.0, 0.2));
  std::vector<FusionCandidate> deep = near;
  for (int i = 0; i < 80; ++i) deep.push_back({.cosine = 0.0, .bm25 = 0.0});
  EXPECT_EQ(fuse(near, kMax).dense_weight, fuse(deep, kMax).dense_weight);
}

TEST(Fusion, small_differences_weigh_nearly_as_given) {
  const Fusion fusion =
      fuse(both(falling(10, 0.3001, 0.3, 0.3), falling(10, 3, 3, 3)), kMax, {.dense_share = 0.65});
  EXPECT_NEAR(fusion.dense_weight, 0.65, 0.01);
}

TEST(Fusion, scores_are_shares_of_a_bm25_max_and_compare_between_questions) {
  const Fusion good = fuse(both(falling(20, 0.7, 0.3, 0.1), falling(20, 7, 3, 1)), kMax);
  const Fusion weak = fuse(both(falling(20, 0.2, 0.1, 0.0), falling(20, 1, 0.5, 0)), kMax);
  EXPECT_THAT(good.hits.front().lexical, DoubleNear(0.7, 1e-6));
  EXPECT_THAT(weak.hits.front().lexical, DoubleNear(0.1, 1e-6));
  EXPECT_THAT(good.hits.front().score, DoubleNear(0.7, 1e-6));
  EXPECT_LT(weak.hits.front().score, 0.21);
}

TEST(Fusion, the_score_is_the_sum_that_is_explained) {
  const Fusion fusion =
      fuse(both(falling(20, 0.6, 0.4, 0.1), reversed(falling(20, 5, 3, 1))), kMax);
  EXPECT_NEAR(fusion.dense_weight + fusion.lexical_weight, 1, 1e-6);
  for (const FusedHit& hit : fusion.hits) {
    EXPECT_NEAR(hit.score, fusion.dense_weight * hit.dense + fusion.lexical_weight * hit.lexical,
                1e-6);
  }
  EXPECT_TRUE(std::ranges::is_sorted(fusion.hits, std::greater<>{}, &FusedHit::score));
}

TEST(Fusion, a_question_without_words_is_answered_by_vectors_alone) {
  for (const double bm25_max : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    const std::vector<double> bm25(3, 5.0);
    const Fusion fusion = fuse(both(std::vector{0.2, 0.6, 0.4}, bm25), bm25_max);
    EXPECT_THAT(order(fusion), ElementsAre(1, 2, 0));
    EXPECT_EQ(fusion.dense_weight, 1);
    EXPECT_EQ(fusion.hits.front().lexical, 0);
    EXPECT_DOUBLE_EQ(fusion.hits.front().score, 0.6);
  }
}

TEST(Fusion, without_vectors_words_have_all_the_weight) {
  const std::vector<FusionCandidate> candidates{{.bm25 = 1.0}, {.bm25 = 5.0}};
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_THAT(order(fusion), ElementsAre(1, 0));
  EXPECT_EQ(fusion.lexical_weight, 1);
  EXPECT_DOUBLE_EQ(fusion.hits.front().score, 0.5);
}

TEST(Fusion, words_that_no_passage_has_leave_the_order_to_vectors_and_lower_the_score) {
  std::vector<FusionCandidate> candidates(3);
  candidates[0].cosine = 0.4;
  candidates[1].cosine = 0.6;
  candidates[2].cosine = 0.2;
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_THAT(order(fusion), ElementsAre(1, 0, 2));
  EXPECT_GT(fusion.dense_weight, 0.9);
  EXPECT_LT(fusion.hits.front().score, 0.6);
}

TEST(Fusion, what_unrelated_texts_have_in_common_is_taken_off_the_cosine) {
  const auto candidates = both(std::vector{0.85, 0.7, 0.6}, std::vector{0.0, 0.0, 0.0});
  const Fusion fusion = fuse(candidates, kMax, {.dense_floor = 0.7});
  EXPECT_NEAR(hit_of(fusion, 0).dense, 0.5, 1e-6);
  EXPECT_EQ(hit_of(fusion, 1).dense, 0);
  EXPECT_EQ(hit_of(fusion, 2).dense, 0);
}

TEST(Fusion, equal_scores_go_by_the_vector_and_then_as_they_came) {
  const auto same = both(std::vector<double>(40, 0.5), std::vector<double>(40, 5.0));
  EXPECT_TRUE(std::ranges::is_sorted(order(fuse(same, kMax))));
  const std::vector<FusionCandidate> traded{{.cosine = 0.0, .bm25 = 5.0},
                                            {.cosine = 0.5, .bm25 = 0.0}};
  EXPECT_THAT(order(fuse(traded, kMax, {.dense_share = 0.5})), ElementsAre(1, 0));
}

TEST(Fusion, no_hits_and_one_hit_are_fused) {
  EXPECT_THAT(fuse({}, kMax).hits, SizeIs(0));
  const std::vector<FusionCandidate> one{{.cosine = 0.4, .bm25 = 6.0}};
  EXPECT_NEAR(fuse(one, kMax).hits.front().score, 0.4 * 0.4 + 0.6 * 0.6, 1e-6);
  const std::vector<FusionCandidate> nothing(2);
  EXPECT_THAT(order(fuse(nothing, 0)), ElementsAre(0, 1));
}

TEST(Fusion, a_score_that_is_no_number_counts_as_none) {
  const double nan = std::nan("");
  const std::vector<FusionCandidate> candidates{{.cosine = nan, .bm25 = HUGE_VAL},
                                                {.cosine = 0.3, .bm25 = 2.0}};
  const Fusion fusion = fuse(candidates, kMax);
  EXPECT_EQ(fusion.hits.front().candidate, 1);
  EXPECT_EQ(hit_of(fusion, 0).score, 0);
}

TEST(Fusion, whatever_comes_in_every_candidate_comes_out_once_and_within_0_to_1) {
  std::mt19937 random{5};
  const std::vector<double> odd{0.0,    -0.0,    1.0,      -1.0,         0.5,      3.0,
                                5e-324, 1.7e308, -1.7e308, std::nan(""), HUGE_VAL, -HUGE_VAL};
  const auto any = [&] { return odd[random() % odd.size()]; };
  for (int round = 0; round < 2'000; ++round) {
    std::vector<FusionCandidate> candidates(random() % 30);
    for (FusionCandidate& candidate : candidates) {
      if (random() % 3 != 0) candidate.cosine = any();
      candidate.bm25 = any();
    }
    const Fusion fusion = fuse(candidates, any());
    std::vector<std::size_t> seen = order(fusion);
    std::ranges::sort(seen);
    ASSERT_THAT(seen, SizeIs(candidates.size()));
    for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], i);
    for (const FusedHit& hit : fusion.hits) {
      for (const double score : {hit.dense, hit.lexical, hit.score, fusion.dense_weight}) {
        ASSERT_TRUE(score >= 0 && score <= 1) << score << " in round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace millrace
