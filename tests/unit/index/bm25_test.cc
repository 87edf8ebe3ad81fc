#include "workers/index/bm25.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace millrace {
namespace {

TEST(Bm25, idf_is_lucenes) {
  EXPECT_FLOAT_EQ(bm25_idf(10, 1), static_cast<float>(std::log(1 + 9.5 / 1.5)));
  EXPECT_FLOAT_EQ(bm25_idf(10, 10), static_cast<float>(std::log(1 + 0.5 / 10.5)));
  EXPECT_FLOAT_EQ(bm25_idf(0, 0), static_cast<float>(std::log(2)));
}

TEST(Bm25, a_word_in_more_than_all_rows_weighs_as_one_in_all) {
  EXPECT_EQ(bm25_idf(10, 11), bm25_idf(10, 10));
  EXPECT_EQ(bm25_idf(10, ~std::uint64_t{0}), bm25_idf(10, 10));
  EXPECT_GT(bm25_idf(~std::uint64_t{0}, ~std::uint64_t{0}), 0);
}

TEST(Bm25, mean_length_of_nothing_is_one) {
  EXPECT_EQ(bm25_mean_length(4, 10), 2.5F);
  EXPECT_EQ(bm25_mean_length(0, 10), 1.0F);
  EXPECT_EQ(bm25_mean_length(4, 0), 1.0F);
}

TEST(Bm25, a_row_scores_by_the_formula) {
  Bm25Sum sum{bm25_norm({1.2F, 0.75F}, 20, 10)};
  sum.add(2.0F, 3);
  sum.add(0.5F, 1);
  sum.add(9.0F, 0);
  sum.add(-1.0F, 5);
  sum.add(std::numeric_limits<float>::quiet_NaN(), 5);
  const double norm = 1.2 * (0.25 + 0.75 * 20 / 10);
  EXPECT_FLOAT_EQ(sum.score(), static_cast<float>(2 * 3 / (3 + norm) + 0.5 / (1 + norm)));
  EXPECT_EQ(Bm25Sum{1}.score(), 0);
}

// Numbers of all sizes and none, of an index or out of a record.
TEST(Bm25, no_numbers_lead_out_of_zero_to_the_weight) {
  using Limits = std::numeric_limits<float>;
  const float numbers[] = {0,
                           1,
                           -1,
                           0.4F,
                           7,
                           Limits::max(),
                           Limits::lowest(),
                           Limits::denorm_min(),
                           Limits::infinity(),
                           Limits::quiet_NaN()};
  const std::int64_t counts[] = {0,
                                 1,
                                 -1,
                                 1'000'000'007,
                                 std::numeric_limits<std::int64_t>::max(),
                                 std::numeric_limits<std::int64_t>::min()};
  for (const float k1 : numbers) {
    for (const float b : numbers) {
      for (const float mean : numbers) {
        for (const std::int64_t length : counts) {
          const float norm = bm25_norm({k1, b}, length, mean);
          EXPECT_GE(norm, 0) << k1 << ' ' << b << ' ' << mean << ' ' << length;
          for (const std::int64_t count : counts) {
            Bm25Sum sum{norm};
            sum.add(3, count);
            EXPECT_TRUE(sum.score() >= 0 && sum.score() <= 3) << norm << ' ' << count;
          }
        }
      }
    }
  }
}

TEST(Bm25, sums_are_exact_in_any_order) {
  std::mt19937 random{1};
  for (int round = 0; round < 200; ++round) {
    std::vector<float> weights(1'024);
    for (float& weight : weights) {
      weight = std::ldexp(1.0F + static_cast<float>(random()) / 4294967296.0F,
                          -static_cast<int>(random() % 18));
    }
    const auto score = [&] {
      Bm25Sum sum{0};
      for (const float weight : weights) sum.add(weight, 1);
      return sum.score();
    };
    std::sort(weights.begin(), weights.end());
    const float sorted = score();
    std::shuffle(weights.begin(), weights.end(), random);
    EXPECT_EQ(score(), sorted);
  }
}

}  // namespace
}  // namespace millrace
