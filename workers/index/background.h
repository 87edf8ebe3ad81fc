#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "common/error.h"

namespace millrace {

// A thread that does one job after the other when it is woken, until there is nothing to do or one
// fails. Thread-safe. Ends, with the job that it is at, in the destructor.
class Background {
 public:
  using Job = std::function<Result<bool>(const std::stop_token& stop)>;  // false: nothing to do

  void start(Job job);  // once
  void wake();

  // How often it has done a job, or failed, or found nothing to do.
  std::uint64_t rounds();
  // Wakes it and returns when it has done that more than `seen` times. The last failure since it
  // was woken.
  Status wait(std::uint64_t seen);
  // Returns when there is nothing to do, or one has failed.
  Status settle();

 private:
  void run(const std::stop_token& stop, const Job& job);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  bool working_ = false;
  std::uint64_t rounds_ = 0;
  Status status_;
  std::jthread thread_;
};

}  // namespace millrace
