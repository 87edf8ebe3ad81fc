#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>

#include "common/clock.h"

namespace millrace {

// What the runners of a process share so that live work goes before the work in the background,
// such as building a generation. Thread-safe.
struct LiveWork {
  std::atomic<std::int64_t> records{0};  // that wait, of all live runners
};

// One runner's part in that. Its thread's.
class Precedence {
 public:
  // A runner that waits for others waits so long for each of its batches, so that it gets on even
  // where they are never done.
  static constexpr std::chrono::milliseconds kGiveWayMax{500};

  // `live` may be null: there are no others. `background` says whether the runner gives way; null:
  // never. It may change at any time.
  Precedence(std::shared_ptr<LiveWork> live, std::shared_ptr<const std::atomic<bool>> background);
  ~Precedence();
  Precedence(const Precedence&) = delete;
  Precedence& operator=(const Precedence&) = delete;

  void set_lag(std::int64_t records);  // that the runner has before it
  // Before each batch: returns once no live record waits, or the time is over.
  void give_way(const Clock& clock, const std::stop_token& stop) const;

 private:
  bool is_live() const { return background_ == nullptr || !*background_; }

  const std::shared_ptr<LiveWork> live_;
  const std::shared_ptr<const std::atomic<bool>> background_;
  std::int64_t told_ = 0;  // of live_->records
};

}  // namespace millrace
