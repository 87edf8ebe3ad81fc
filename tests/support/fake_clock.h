#pragma once

#include <chrono>
#include <mutex>
#include <stop_token>
#include <vector>

#include "common/clock.h"

namespace millrace {

// Stands still until advance() or sleep_for() moves it: a sleep returns at once and is written
// down. Thread-safe.
class FakeClock : public Clock {
 public:
  Wall wall_now() const override {
    const std::lock_guard lock{mutex_};
    return wall_;
  }
  Steady now() const override {
    const std::lock_guard lock{mutex_};
    return steady_;
  }
  bool sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) const override {
    const std::lock_guard lock{mutex_};
    if (sleeps_.size() < kSleepsKept) sleeps_.push_back(duration);
    move(duration);
    return !stop.stop_requested();
  }

  void advance(std::chrono::milliseconds duration) {
    const std::lock_guard lock{mutex_};
    move(duration);
  }
  // The first ones, in order.
  std::vector<std::chrono::milliseconds> sleeps() const {
    const std::lock_guard lock{mutex_};
    return sleeps_;
  }

 private:
  static constexpr std::size_t kSleepsKept = 10'000;

  void move(std::chrono::milliseconds duration) const {
    wall_ += duration;
    steady_ += duration;
  }

  mutable std::mutex mutex_;
  mutable Wall wall_{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}};
  mutable Steady steady_{std::chrono::hours{1}};
  mutable std::vector<std::chrono::milliseconds> sleeps_;
};

}  // namespace millrace
