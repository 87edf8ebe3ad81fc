#include "workers/index/background.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <semaphore>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr auto kNever = 24h;

Background::Job counting(std::atomic<int>& left, std::atomic<int>& done) {
  return [&left, &done](const std::stop_token&) -> Result<bool> {
    if (left == 0) return false;
    --left;
    ++done;
    return true;
  };
}

TEST(Background, does_jobs_until_there_are_none_and_the_quiet_ones_when_asked) {
  std::atomic<int> left = 3;
  std::atomic<int> done = 0;
  std::atomic<int> quiet_left = 2;
  std::atomic<int> quiet_done = 0;
  Background background;
  background.start(counting(left, done), counting(quiet_left, quiet_done), kNever);
  ASSERT_TRUE(background.settle());
  EXPECT_EQ(done, 3);
  EXPECT_EQ(quiet_done, 0);
  background.rest();
  ASSERT_TRUE(background.settle());
  EXPECT_EQ(quiet_done, 2);
}

TEST(Background, rests_when_it_was_not_woken_for_a_while_and_again_after_it_was) {
  std::counting_semaphore<> rested{0};
  Background background;
  const auto nothing = [](const std::stop_token&) -> Result<bool> { return false; };
  const auto rest = [&rested](const std::stop_token&) -> Result<bool> {
    rested.release();
    return false;
  };
  background.start(nothing, rest, 1ms);
  rested.acquire();
  background.wake();
  rested.acquire();
}

TEST(Background, says_how_the_last_job_failed) {
  Background background;
  background.start([](const std::stop_token&) -> Result<bool> { return unavailable("full"); });
  const Status status = background.settle();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "full");
}

}  // namespace
}  // namespace millrace
