#include "common/stop_signal.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

namespace millrace {
namespace {

using std::chrono::milliseconds;
using ::testing::ExitedWithCode;

// Each case is a process of its own: signals and their masks are the process's.
class StopSignalTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // How a main() ends.
  [[noreturn]] static void end_with(const Status& status) {
    if (!status) std::fprintf(stderr, "reason: %s\n", status.error().message.c_str());
    std::_Exit(status ? EXIT_SUCCESS : EXIT_FAILURE);
  }
};

TEST_F(StopSignalTest, ends_well_on_either_signal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          StopSignal stop{milliseconds{60'000}};
          kill(getpid(), signal);
          end_with(stop.wait());
        },
        ExitedWithCode(EXIT_SUCCESS), signal == SIGINT ? "SIGINT" : "SIGTERM");
  }
}

TEST_F(StopSignalTest, takes_a_signal_that_a_thread_made_before_it_gets) {
  EXPECT_EXIT(
      {
        std::thread earlier{[] {
          for (;;) pause();  // where a signal is taken at once, under ThreadSanitizer too
        }};
        StopSignal stop{milliseconds{60'000}};
        pthread_kill(earlier.native_handle(), SIGTERM);
        end_with(stop.wait());
      },
      ExitedWithCode(EXIT_SUCCESS), "stopping");
}

TEST_F(StopSignalTest, ends_with_the_first_reason) {
  EXPECT_EXIT(
      {
        StopSignal stop{milliseconds{60'000}};
        stop.because(fatal("the first"));
        stop.because(fatal("the second"));
        if (!stop.wait_for(milliseconds{0})) std::abort();
        end_with(stop.wait());
      },
      ExitedWithCode(EXIT_FAILURE), "reason: the first");
}

TEST_F(StopSignalTest, ends_a_process_that_does_not_end_in_time) {
  EXPECT_EXIT(
      {
        StopSignal stop{milliseconds{0}};
        kill(getpid(), SIGTERM);
        std::promise<void>{}.get_future().wait();
      },
      ExitedWithCode(EXIT_SUCCESS), "stopped_unfinished");
}

TEST_F(StopSignalTest, lets_a_process_end_that_nobody_stopped) {
  EXPECT_EXIT(
      {
        {
          StopSignal stop{milliseconds{0}};
          if (stop.wait_for(milliseconds{0})) std::abort();
        }
        end_with({});
      },
      ExitedWithCode(EXIT_SUCCESS), "");
}

}  // namespace
}  // namespace millrace
