#include "workers/runtime/precedence.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace millrace {
namespace {

class PrecedenceTest : public ::testing::Test {
 protected:
  std::chrono::milliseconds waited() {
    const Clock::Steady began = clock_.now();
    builder_.give_way(clock_, {});
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - began);
  }

  const std::shared_ptr<LiveWork> live_ = std::make_shared<LiveWork>();
  const std::shared_ptr<std::atomic<bool>> background_ = std::make_shared<std::atomic<bool>>(true);
  FakeClock clock_;
  Precedence builder_{live_, background_};
};

TEST_F(PrecedenceTest, gives_way_to_live_records_for_a_while) {
  EXPECT_EQ(waited().count(), 0);
  Precedence one{live_, nullptr};
  Precedence two{live_, nullptr};
  one.set_lag(3);
  two.set_lag(5);
  EXPECT_EQ(waited(), Precedence::kGiveWayMax);
  one.set_lag(0);
  EXPECT_EQ(waited(), Precedence::kGiveWayMax);
  two.set_lag(0);
  EXPECT_EQ(waited().count(), 0);
}

TEST_F(PrecedenceTest, what_a_runner_had_before_it_goes_with_it) {
  {
    Precedence live{live_, nullptr};
    live.set_lag(7);
    EXPECT_EQ(live_->records, 7);
  }
  EXPECT_EQ(waited().count(), 0);
}

TEST_F(PrecedenceTest, a_generation_that_answers_is_in_the_background_no_more) {
  builder_.set_lag(100);
  EXPECT_EQ(live_->records, 0);
  *background_ = false;
  builder_.set_lag(90);
  EXPECT_EQ(live_->records, 90);
  Precedence one{live_, nullptr};
  one.set_lag(1);
  EXPECT_EQ(waited().count(), 0);
  *background_ = true;
  builder_.set_lag(80);
  EXPECT_EQ(live_->records, 1);
}

}  // namespace
}  // namespace millrace
