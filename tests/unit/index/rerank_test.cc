#include "workers/index/rerank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::array<float, 2> kNorth{0, 1};
constexpr std::array<float, 2> kAlmostNorth{0.1F, 0.995F};
constexpr std::array<float, 2> kEast{1, 0};
constexpr std::array<float, 2> kSouth{0, -1};

TEST(Diverse, a_near_copy_of_a_better_hit_comes_after_one_that_says_something_else) {
  const std::vector<DiverseHit> hits{{0.8F, kNorth}, {0.79F, kAlmostNorth}, {0.7F, kEast}};
  EXPECT_THAT(diverse(hits, 0.8F, 3), ElementsAre(0, 2, 1));
}

TEST(Diverse, a_hit_is_compared_with_all_before_it_not_only_with_the_last) {
  const std::vector<DiverseHit> hits{
      {0.8F, kNorth}, {0.75F, kEast}, {0.74F, kAlmostNorth}, {0.6F, kSouth}};
  EXPECT_THAT(diverse(hits, 0.7F, 4), ElementsAre(0, 1, 3, 2));
}

TEST(Diverse, pointing_away_is_no_merit) {
  const std::vector<DiverseHit> hits{{0.8F, kNorth}, {0.51F, kEast}, {0.5F, kSouth}};
  EXPECT_THAT(diverse(hits, 0.5F, 3), ElementsAre(0, 1, 2));
}

TEST(Diverse, at_lambda_1_or_none_that_is_a_number_the_order_stays) {
  const std::vector<DiverseHit> hits{{0.8F, kNorth}, {0.79F, kEast}, {0.78F, kNorth}};
  for (const float lambda : {1.0F, 7.0F, HUGE_VALF, std::nanf("")}) {
    EXPECT_THAT(diverse(hits, lambda, 3), ElementsAre(0, 1, 2));
  }
}

TEST(Diverse, a_lambda_below_0_is_0) {
  const std::vector<DiverseHit> hits{{0.8F, kNorth}, {0.7F, kNorth}, {0.1F, kEast}};
  EXPECT_THAT(diverse(hits, -3.0F, 3), ElementsAre(0, 2, 1));
}

TEST(Diverse, only_as_many_as_asked_for) {
  const std::vector<DiverseHit> hits{{0.8F, kNorth}, {0.79F, kNorth}, {0.7F, kEast}};
  EXPECT_THAT(diverse(hits, 0.8F, 2), ElementsAre(0, 2));
  EXPECT_THAT(diverse(hits, 0.8F, 0), IsEmpty());
  EXPECT_THAT(diverse(hits, 0.8F, 99), SizeIs(3));
  EXPECT_THAT(diverse({}, 0.8F, 5), IsEmpty());
}

TEST(Diverse, a_hit_without_a_vector_or_with_another_models_is_like_no_other) {
  const std::array<float, 3> other{0, 1, 0};
  const std::array<float, 2> broken{0, std::nanf("")};
  const std::vector<DiverseHit> hits{
      {0.8F, kNorth}, {0.7F, kNorth}, {0.6F, broken}, {0.59F, other}, {0.58F, {}}};
  EXPECT_THAT(diverse(hits, 0.5F, 5), ElementsAre(0, 2, 3, 4, 1));
}

TEST(Diverse, hits_beyond_the_bound_follow_in_their_order) {
  std::vector<DiverseHit> hits(kDiverseHitsMax, {0.5F, kNorth});
  hits.push_back({0.4F, kNorth});
  hits.push_back({0.3F, kEast});
  const std::vector<std::size_t> order = diverse(hits, 0.5F, hits.size());
  std::vector<std::size_t> expected(hits.size());
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  EXPECT_EQ(order, expected);
}

TEST(OnePerDocument, only_the_best_hit_of_a_document_stays) {
  const std::vector<std::string_view> documents{"b", "a", "b", "", "a", "c", ""};
  EXPECT_THAT(one_per_document(documents, 10), ElementsAre(0, 1, 3, 5));
}

TEST(OnePerDocument, later_documents_fill_the_places) {
  const std::vector<std::string_view> documents{"a", "a", "a", "b", "c"};
  EXPECT_THAT(one_per_document(documents, 2), ElementsAre(0, 3));
  EXPECT_THAT(one_per_document(documents, 0), IsEmpty());
}

}  // namespace
}  // namespace millrace
