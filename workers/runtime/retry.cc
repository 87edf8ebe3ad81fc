#include "workers/runtime/retry.h"

#include <algorithm>
#include <cassert>

namespace millrace {

std::chrono::milliseconds backoff_after(const RetryPolicy& policy, int attempt, double random) {
  assert(attempt >= 1 && random >= 0 && random < 1);
  std::chrono::milliseconds ceiling = std::min(policy.backoff, policy.backoff_max);
  for (int i = 1; i < attempt && ceiling < policy.backoff_max; ++i) {
    ceiling = ceiling > policy.backoff_max / 2 ? policy.backoff_max : ceiling * 2;
  }
  const double wait = random * static_cast<double>(ceiling.count());
  return std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(wait)};
}

}  // namespace millrace
