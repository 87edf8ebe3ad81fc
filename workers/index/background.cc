#include "workers/index/background.h"

#include <utility>

namespace millrace {

void Background::start(Job job) {
  thread_ =
      std::jthread{[this, job = std::move(job)](const std::stop_token& stop) { run(stop, job); }};
}

void Background::wake() {
  const std::lock_guard lock{mutex_};
  wanted_ = true;
  changed_.notify_all();
}

std::uint64_t Background::rounds() {
  const std::lock_guard lock{mutex_};
  return rounds_;
}

Status Background::wait(std::uint64_t seen) {
  std::unique_lock lock{mutex_};
  if (rounds_ == seen) {
    wanted_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return rounds_ != seen; });
  }
  return status_;
}

Status Background::settle() {
  std::unique_lock lock{mutex_};
  wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !wanted_ && !working_; });
  return status_;
}

void Background::run(const std::stop_token& stop, const Job& job) {
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [this] { return wanted_; }) && !stop.stop_requested()) {
    wanted_ = false;
    working_ = true;
    for (bool more = true; more && !stop.stop_requested();) {
      lock.unlock();
      const Result<bool> done = job(stop);
      lock.lock();
      more = done && *done;
      status_ = done ? Status{} : Status{done.error()};
      ++rounds_;
      changed_.notify_all();
    }
    working_ = false;
    changed_.notify_all();
  }
}

}  // namespace millrace
