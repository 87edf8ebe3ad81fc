#include "workers/model/pooling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

TEST(MeanPool, averages_the_rows_of_real_tokens_and_scales_to_length_one) {
  const std::array<float, 6> hidden{3, 2, 3, 6, 100, 100};
  std::array<float, 2> out{};
  ASSERT_TRUE(mean_pool(hidden, 2, out));
  EXPECT_THAT(out, ElementsAre(FloatEq(0.6F), FloatEq(0.8F)));
}

TEST(MeanPool, refuses_what_has_no_direction) {
  std::array<float, 2> out{};
  EXPECT_FALSE(mean_pool(std::array<float, 2>{0, 0}, 1, out));
  EXPECT_FALSE(mean_pool(std::array<float, 2>{std::numeric_limits<float>::quiet_NaN(), 1}, 1, out));
  EXPECT_FALSE(mean_pool(std::array<float, 2>{std::numeric_limits<float>::infinity(), 1}, 1, out));
}

}  // namespace
}  // namespace millrace
