#include "workers/index/list_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "workers/index/vector_index.h"

namespace millrace {
namespace {

using testing::ElementsAre;

constexpr std::size_t kLists = 200;
constexpr std::size_t kRowsOfList = 50;

// Lists whose rows lie around their centroids, as far as `deviation`, and one query's way through
// them.
class Walked {
 public:
  Walked(std::vector<float> scores, float deviation) : scores_{std::move(scores)} {
    std::normal_distribution<float> normal;
    for (std::size_t list = 0; list <= scores_.size(); ++list) {
      begins_.push_back(static_cast<std::uint32_t>(list * kRowsOfList));
    }
    for (const float score : scores_) {
      for (std::size_t i = 0; i < kRowsOfList; ++i)
        rows_.push_back(score + deviation * normal(random_));
    }
  }

  // How many of the best are in the lists that were visited.
  std::size_t walk(std::size_t wanted, float floor, std::size_t rows_max) {
    ListWalk walk{scores_, begins_, 1, rows_max};
    std::vector<float> hits;
    while (walk.begin_round(hits.size(), wanted, floor)) {
      std::vector<std::uint32_t> round;
      while (const auto list = walk.next()) {
        walk.visit(*list, kRowsOfList);
        round.push_back(*list);
      }
      for (const std::uint32_t list : round) {
        visited_.push_back(list);
        for (std::size_t i = 0; i < kRowsOfList; ++i) {
          const float score = rows_[list * kRowsOfList + i];
          walk.compared(list, score);
          if (score >= floor) hits.push_back(score);
        }
      }
      std::ranges::sort(hits, std::greater{});
      if (hits.size() < wanted) continue;
      hits.resize(wanted);
      floor = hits.back();
    }
    std::vector<float> best = rows_;
    std::ranges::sort(best, std::greater{});
    const float worst = best[wanted - 1];
    return static_cast<std::size_t>(
        std::ranges::count_if(hits, [&](float score) { return score >= worst; }));
  }
  const std::vector<std::uint32_t>& visited() const { return visited_; }

 private:
  std::mt19937 random_{3};
  std::vector<float> scores_;
  std::vector<std::uint32_t> begins_;
  std::vector<float> rows_;
  std::vector<std::uint32_t> visited_;
};

std::vector<float> falling(float first, float step) {
  std::vector<float> scores(kLists);
  for (std::size_t i = 0; i < kLists; ++i) scores[i] = first - step * static_cast<float>(i);
  return scores;
}

TEST(ListWalk, goes_no_further_than_there_are_hits) {
  std::vector<float> scores(kLists, 0.1F);
  std::fill_n(scores.begin() + 7, 4, 0.8F);  // lists 7 to 10 hold them all
  Walked walked{scores, 0.05F};
  EXPECT_EQ(walked.walk(20, kNoFloor, 10'000), 20U);
  EXPECT_EQ(walked.visited().size(), 6U);  // the first round: 256 rows
}

TEST(ListWalk, goes_on_while_hits_are_to_be_expected) {
  Walked near{falling(0.5F, 0.002F), 0.02F};
  Walked far{falling(0.5F, 0.002F), 0.1F};
  EXPECT_GE(near.walk(20, kNoFloor, 10'000), 18U);
  EXPECT_GE(far.walk(20, kNoFloor, 10'000), 18U);
  EXPECT_LT(near.visited().size(), 30U);
  EXPECT_GT(far.visited().size(), 50U);  // at .1 rows of lists far behind come to the front
}

TEST(ListWalk, visits_the_nearest_lists_first) {
  Walked walked{{0.1F, 0.4F, 0.2F, 0.3F}, 0.01F};
  walked.walk(100, kNoFloor, 150);
  EXPECT_THAT(walked.visited(), ElementsAre(1, 3, 2));
}

TEST(ListWalk, compares_no_more_than_it_may) {
  Walked walked{std::vector<float>(kLists, 0.3F), 0.1F};
  walked.walk(100, kNoFloor, 1'000);
  EXPECT_EQ(walked.visited().size(), 1'000 / kRowsOfList);
}

TEST(ListWalk, ends_after_a_round_where_others_have_found_better) {
  Walked walked{falling(0.5F, 0.002F), 0.02F};
  walked.walk(20, 0.9F, 10'000);
  EXPECT_EQ(walked.visited().size(), 6U);
}

TEST(ListWalk, visits_all_lists_where_too_few_are_found) {
  Walked walked{std::vector<float>(3, 0.5F), 0};
  EXPECT_EQ(walked.walk(150, kNoFloor, 10'000), 150U);
  EXPECT_EQ(walked.visited().size(), 3U);
}

TEST(ListWalk, ends_at_lists_without_rows) {
  const std::vector<float> scores(kLists, 0.5F);
  const std::vector<std::uint32_t> begins(kLists + 1);
  ListWalk walk{scores, begins, 1, 100};
  ASSERT_TRUE(walk.begin_round(0, 10, kNoFloor));
  std::size_t lists = 0;
  for (; const auto list = walk.next(); ++lists) walk.visit(*list, 0);
  EXPECT_EQ(lists, kLists);
  EXPECT_FALSE(walk.begin_round(0, 10, kNoFloor));
}

TEST(ListWalk, takes_scores_that_are_no_numbers) {
  const std::vector<float> scores(2, 0.5F);
  const std::vector<std::uint32_t> begins{0, 300, 600};
  ListWalk walk{scores, begins, 1, 10'000};
  ASSERT_TRUE(walk.begin_round(0, 10, kNoFloor));
  const auto list = walk.next();
  ASSERT_TRUE(list);
  walk.visit(*list, 300);
  walk.compared(*list, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(walk.begin_round(0, 10, 0.5F));  // the other list's rows score about .5
  EXPECT_FALSE(ListWalk(scores, begins, 1, 0).begin_round(0, 10, kNoFloor));
}

}  // namespace
}  // namespace millrace
