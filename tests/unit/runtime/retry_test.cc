#include "workers/runtime/retry.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using std::chrono::milliseconds;

constexpr RetryPolicy kPolicy{5, milliseconds{100}, milliseconds{1'000}};
constexpr double kAlmostOne = 0.999999;

TEST(Retry, doubles_the_ceiling_with_each_attempt_up_to_the_maximum) {
  EXPECT_EQ(backoff_after(kPolicy, 1, kAlmostOne), milliseconds{99});
  EXPECT_EQ(backoff_after(kPolicy, 2, kAlmostOne), milliseconds{199});
  EXPECT_EQ(backoff_after(kPolicy, 4, kAlmostOne), milliseconds{799});
  EXPECT_EQ(backoff_after(kPolicy, 5, kAlmostOne), milliseconds{999});
  EXPECT_EQ(backoff_after(kPolicy, 1'000'000, kAlmostOne), milliseconds{999});
}

TEST(Retry, spreads_the_wait_over_the_whole_interval) {
  EXPECT_EQ(backoff_after(kPolicy, 3, 0), milliseconds{0});
  EXPECT_EQ(backoff_after(kPolicy, 3, 0.5), milliseconds{200});
}

TEST(Retry, never_waits_longer_than_the_maximum_even_at_first) {
  const RetryPolicy policy{5, milliseconds{500}, milliseconds{100}};
  EXPECT_LT(backoff_after(policy, 1, kAlmostOne), milliseconds{100});
  EXPECT_LT(backoff_after(policy, 9, kAlmostOne), milliseconds{100});
}

TEST(Retry, does_not_overflow_with_a_huge_maximum) {
  const RetryPolicy policy{5, milliseconds{1}, milliseconds::max()};
  EXPECT_GT(backoff_after(policy, 200, 0.5), milliseconds{0});
}

}  // namespace
}  // namespace millrace
