#include "tests/bench/bench_index_askers.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <utility>

#include "common/clock.h"

namespace millrace {
namespace {

double seconds_since(Clock::Steady began) {
  return std::chrono::duration<double>(system_clock().now() - began).count();
}

}  // namespace

Together::Together(AskMany ask_many)
    : ask_many_{std::move(ask_many)},
      searching_max_{std::max(1U, std::thread::hardware_concurrency())} {}

void Together::ask(std::size_t question) {
  Ticket ticket{question};
  std::unique_lock lock{mutex_};
  waiting_.push_back(&ticket);
  const auto may_search = [&] { return !ticket.taken && searching_ < searching_max_; };
  while (!ticket.answered) {
    changed_.wait(lock, [&] { return ticket.answered || may_search(); });
    if (!ticket.answered) answer_waiting(lock);
  }
}

void Together::answer_waiting(std::unique_lock<std::mutex>& lock) {
  ++searching_;
  const std::vector<Ticket*> tickets = std::exchange(waiting_, {});
  std::vector<std::size_t> questions;
  for (Ticket* ticket : tickets) {
    ticket->taken = true;
    questions.push_back(ticket->question);
  }
  lock.unlock();
  ask_many_(questions);
  lock.lock();
  for (Ticket* ticket : tickets) ticket->answered = true;
  --searching_;
  changed_.notify_all();
}

LoadFigures ask_for(double seconds, std::size_t askers, std::size_t questions,
                    const AskMany& ask_many,
                    const std::function<void(const std::function<bool()>& go_on)>& beside) {
  Together together{ask_many};
  const Clock::Steady began = system_clock().now();
  const auto go_on = [&] { return seconds_since(began) < seconds; };
  std::vector<std::vector<double>> took(askers);
  {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (std::vector<double>& mine : took) {
      threads.emplace_back([&] {
        while (go_on()) {
          const Clock::Steady asked = system_clock().now();
          together.ask(next++ % questions);
          mine.push_back(1'000 * seconds_since(asked));
        }
      });
    }
    if (beside) beside(go_on);
  }
  const double elapsed = seconds_since(began);
  std::vector<double> all;
  for (const std::vector<double>& each : took) all.insert(all.end(), each.begin(), each.end());
  std::ranges::sort(all);
  const auto count = static_cast<double>(all.size());
  return {.per_second = count / elapsed,
          .p50_ms = all[all.size() / 2],
          .p99_ms = all[std::min(all.size() - 1, all.size() * 99 / 100)],
          .mean_ms = std::accumulate(all.begin(), all.end(), 0.0) / count};
}

}  // namespace millrace
