#include "workers/model/batch_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <set>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PaddedLength, is_one_of_few_and_never_shorter) {
  std::set<std::size_t> lengths;
  for (std::size_t tokens = 1; tokens <= 256; ++tokens) {
    const std::size_t length = padded_length(tokens, 256);
    EXPECT_GE(length, tokens);
    EXPECT_LT(length - tokens, 16U);
    lengths.insert(length);
  }
  EXPECT_EQ(lengths.size(), 24U);
  EXPECT_EQ(padded_length(125, 126), 126U);
}

TEST(PlanBatches, of_nothing_is_nothing) { EXPECT_THAT(plan_batches({}, {}), IsEmpty()); }

TEST(PlanBatches, puts_texts_of_like_length_together_longest_first) {
  const std::vector<std::size_t> tokens{10, 250, 12, 240};
  const auto batches = plan_batches(tokens, {512, 256, 1});
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0].length, 256U);
  EXPECT_THAT(batches[0].texts, ElementsAre(1, 3));
  EXPECT_EQ(batches[1].length, 12U);
  EXPECT_THAT(batches[1].texts, ElementsAre(2, 0));
}

TEST(PlanBatches, gives_every_encoder_something_to_do) {
  const std::vector<std::size_t> tokens(8, 256);
  EXPECT_EQ(plan_batches(tokens, {2048, 256, 1}).size(), 1U);
  EXPECT_EQ(plan_batches(tokens, {2048, 256, 2}).size(), 2U);
}

TEST(PlanBatches, takes_every_text_once_within_the_limits) {
  std::mt19937 random{9};
  for (int round = 0; round < 300; ++round) {
    std::vector<std::size_t> tokens(random() % 200);
    for (auto& count : tokens) count = 2 + random() % 255;
    const BatchPlanOptions options{64 + random() % 4096, 256, 1 + random() % 4};
    std::vector<bool> taken(tokens.size(), false);
    for (const PlannedBatch& batch : plan_batches(tokens, options)) {
      EXPECT_TRUE(std::has_single_bit(batch.texts.size()));
      EXPECT_TRUE(batch.texts.size() == 1 ||
                  batch.texts.size() * batch.length <= options.batch_tokens);
      for (const std::size_t text : batch.texts) {
        EXPECT_LE(tokens[text], batch.length);
        EXPECT_FALSE(taken[text]);
        taken[text] = true;
      }
    }
    EXPECT_EQ(std::count(taken.begin(), taken.end(), true), std::ssize(tokens));
  }
}

}  // namespace
}  // namespace millrace
