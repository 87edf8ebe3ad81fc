#include "workers/index/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "workers/index/index.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Candidates, the_best_hits_of_a_leg_are_kept_in_order) {
  const std::vector<LegHit> large{{1, 2, .9F}, {1, 4, .5F}, {1, 0, .1F}};
  const std::vector<LegHit> small{{0, 3, .5F}, {0, 9, .5F}};
  const std::vector<LegHit> hits = merge_best(large, small, 4);
  std::vector<std::pair<std::size_t, Row>> places;
  for (const LegHit& hit : hits) places.emplace_back(hit.segment, hit.row);
  EXPECT_EQ(places, (std::vector<std::pair<std::size_t, Row>>{{1, 2}, {0, 3}, {0, 9}, {1, 4}}));
  EXPECT_EQ(merge_best(small, {}, 4).size(), 2U);
  EXPECT_THAT(merge_best(large, small, 0), IsEmpty());
}

TEST(Candidates, a_row_that_both_legs_found_is_there_once_with_its_cosine) {
  const std::vector<LegHit> dense{{1, 4, .5F}, {0, 9, .4F}};
  const std::vector<LegHit> lexical{{0, 2, 7}, {1, 4, 3}};
  const std::vector<Candidate> all = unite(dense, lexical);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].row, 2U);
  EXPECT_EQ(all[0].cosine, std::nullopt);
  EXPECT_EQ(all[1].cosine, .4F);
  EXPECT_EQ(all[2].cosine, .5F);
}

Candidate candidate(float cosine, float bm25) { return {0, 0, cosine, bm25, 1, {}}; }

TEST(Candidates, nearness_alone_comes_first_then_more_and_more_words) {
  const std::vector<Candidate> all{candidate(.9F, 0), candidate(0, 10), candidate(.6F, 6),
                                   candidate(.5F, 5)};
  EXPECT_THAT(possible_best(all, {true, 10, 1}), ElementsAre(0, 2, 1))
      << "the last one is never the best";
  EXPECT_THAT(possible_best(all, {true, 0, 2}), ElementsAre(0, 2));
  EXPECT_THAT(possible_best(all, {false, 10, 2}), ElementsAre(1, 2));
  EXPECT_THAT(possible_best(all, {true, 10, 0}), IsEmpty());
  EXPECT_THAT(possible_best({}, {true, 10, 5}), IsEmpty());
}

TEST(Candidates, whatever_the_weighing_its_best_are_among_them) {
  std::mt19937 random{5};
  std::uniform_real_distribution<float> any{0, 1};
  std::vector<Candidate> all;
  for (int i = 0; i < 200; ++i) all.push_back(candidate(any(random), 20 * any(random)));
  const std::vector<std::size_t> chosen = possible_best(all, {true, 20, 10});
  const std::set<std::size_t> known{chosen.begin(), chosen.end()};
  EXPECT_EQ(known.size(), chosen.size());
  EXPECT_LT(known.size(), 60U);
  for (int step = 0; step < kWeighings; ++step) {
    const float nearness = static_cast<float>(step) / (kWeighings - 1);
    std::vector<std::pair<float, std::size_t>> order;
    for (std::size_t i = 0; i < all.size(); ++i) {
      order.emplace_back(-nearness * *all[i].cosine - (1 - nearness) * all[i].bm25 / 20, i);
    }
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < 10; ++i) EXPECT_TRUE(known.contains(order[i].second)) << step;
  }
}

}  // namespace
}  // namespace millrace
