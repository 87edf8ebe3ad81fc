#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "common/error.h"

namespace millrace {

// What ends this process: SIGTERM, SIGINT, or something that cannot go on. main() makes the one
// that there is before any thread, since the signals are blocked in every thread to come.
// Thread-safe.
class StopSignal {
 public:
  // A process that is not through with ending `grace` and two seconds after it was told to is ended
  // as it is: what was acknowledged is in the log, and what was in hand is done again.
  explicit StopSignal(std::chrono::milliseconds grace);
  ~StopSignal();  // it has ended in time
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Ends the process with this error. The first reason counts.
  void because(const Error& error);
  // The reason, where there is one; ok after a signal.
  Status wait();
  // The same, for so long at most: true when it is time to stop.
  bool wait_for(std::chrono::milliseconds time);

 private:
  void watch();

  const std::chrono::milliseconds grace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Error> error_;
  bool stopping_ = false;
  bool ended_ = false;
  std::jthread watcher_;  // last: it uses the rest
};

}  // namespace millrace
