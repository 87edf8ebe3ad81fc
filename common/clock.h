#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace millrace {

// The only source of now() and sleep(). Thread-safe. Fakes derive from it in tests.
class Clock {
 public:
  using Wall = std::chrono::sys_time<std::chrono::milliseconds>;
  using Steady = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual Wall wall_now() const {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
  virtual Steady now() const { return std::chrono::steady_clock::now(); }

  // Waits for `duration`, or less when `stop` is requested. False when it was.
  virtual bool sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) const {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock{mutex};
    wake.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  }
};

// The machine's clock, for the life of the process.
inline const Clock& system_clock() {
  static const Clock clock;
  return clock;
}

}  // namespace millrace
