#include "workers/runtime/precedence.h"

#include <utility>

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kLookAgain{10};

}  // namespace

Precedence::Precedence(std::shared_ptr<LiveWork> live,
                       std::shared_ptr<const std::atomic<bool>> background)
    : live_{std::move(live)}, background_{std::move(background)} {}

Precedence::~Precedence() { set_lag(0); }

void Precedence::set_lag(std::int64_t records) {
  if (live_ == nullptr) return;
  const std::int64_t told = is_live() ? records : 0;
  live_->records += told - told_;
  told_ = told;
}

void Precedence::give_way(const Clock& clock, const std::stop_token& stop) const {
  if (live_ == nullptr || is_live()) return;
  const Clock::Steady until = clock.now() + kGiveWayMax;
  while (live_->records > 0 && clock.now() < until) {
    if (!clock.sleep_for(kLookAgain, stop)) return;
  }
}

}  // namespace millrace
