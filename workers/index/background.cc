#include "workers/index/background.h"

#include <utility>

namespace millrace {

void Background::start(Job job) { start(std::move(job), {}, {}); }

void Background::start(Job job, Job quiet, std::chrono::milliseconds quiet_after) {
  job_ = std::move(job);
  quiet_ = std::move(quiet);
  quiet_after_ = quiet_after;
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Background::wake() {
  const std::lock_guard lock{mutex_};
  wanted_ = true;
  changed_.notify_all();
}

void Background::rest() {
  const std::lock_guard lock{mutex_};
  rest_wanted_ = true;
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
  changed_.wait(lock, [this] { return !wanted_ && !rest_wanted_ && !working_; });
  return status_;
}

void Background::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (!stop.stop_requested()) {
    if (!wait_for_work(lock, stop)) continue;
    const bool wanted = std::exchange(wanted_, false);
    rested_ = !wanted;
    if (!wanted) rest_wanted_ = false;
    working_ = true;
    if (const Job& job = wanted ? job_ : quiet_) work(lock, stop, job);
    working_ = false;
    changed_.notify_all();
  }
}

bool Background::wait_for_work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  const auto has_work = [this] { return wanted_ || rest_wanted_; };
  if (rested_ || !quiet_) return changed_.wait(lock, stop, has_work);
  if (!changed_.wait_for(lock, stop, quiet_after_, has_work)) rest_wanted_ = !stop.stop_requested();
  return has_work() && !stop.stop_requested();
}

void Background::work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop,
                      const Job& job) {
  for (bool more = true; more && !stop.stop_requested();) {
    lock.unlock();
    const Result<bool> done = job(stop);
    lock.lock();
    more = done && *done;
    status_ = done ? Status{} : Status{done.error()};
    ++rounds_;
    changed_.notify_all();
  }
}

}  // namespace millrace
