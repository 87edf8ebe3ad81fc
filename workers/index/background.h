#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "common/error.h"

namespace millrace {

// A thread that does one job after the other when it is woken, until there is nothing to do or one
// fails; and others, when it was not woken for a while. Thread-safe. Ends, with the job that it is
// at, in the destructor.
class Background {
 public:
  using Job = std::function<Result<bool>(const std::stop_token& stop)>;  // false: nothing to do

  void start(Job job);  // once
  void start(Job job, Job quiet, std::chrono::milliseconds quiet_after);
  void wake();
  void rest();  // the quiet jobs, at once

  // How often it has done a job, or failed, or found nothing to do.
  std::uint64_t rounds();
  // Wakes it and returns when it has done that more than `seen` times. The last failure since it
  // was woken.
  Status wait(std::uint64_t seen);
  // Returns when there is nothing to do, or one has failed.
  Status settle();

 private:
  void run(const std::stop_token& stop);
  // False: neither is wanted yet.
  bool wait_for_work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  void work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, const Job& job);

  // Set by start() only.
  Job job_;
  Job quiet_;  // may be empty
  std::chrono::milliseconds quiet_after_{};

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  bool rest_wanted_ = false;
  bool rested_ = false;  // since it was woken
  bool working_ = false;
  std::uint64_t rounds_ = 0;
  Status status_;
  std::jthread thread_;
};

}  // namespace millrace
