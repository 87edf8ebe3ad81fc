#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace millrace {

// Answers several questions at once.
using AskMany = std::function<void(std::span<const std::size_t> questions)>;

// Askers that wait at the same time are answered together, on at most as many threads as there are
// cores, as the searcher's stage does for its partitions. For millrace and for what it is compared
// with alike.
class Together {
 public:
  explicit Together(AskMany ask_many);
  void ask(std::size_t question);  // any thread; returns when it is answered

 private:
  struct Ticket {
    std::size_t question = 0;
    bool taken = false;
    bool answered = false;
  };
  void answer_waiting(std::unique_lock<std::mutex>& lock);

  const AskMany ask_many_;
  const std::size_t searching_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Ticket*> waiting_;
  std::size_t searching_ = 0;
};

struct LoadFigures {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double mean_ms = 0;
};

// So many askers, each with one question at a time out of `questions`, for so long; `beside` runs
// at the same time on this thread and is told whether it should go on.
LoadFigures ask_for(double seconds, std::size_t askers, std::size_t questions,
                    const AskMany& ask_many,
                    const std::function<void(const std::function<bool()>& go_on)>& beside = {});

}  // namespace millrace
