#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

struct RetryPolicy {
  int attempts_max = 5;  // of one record, the first included
  std::chrono::milliseconds backoff{100};
  std::chrono::milliseconds backoff_max{10'000};
};

// How long to wait before attempt `attempt` + 1 (attempt >= 1): exponential with full jitter;
// `random` is uniform in [0, 1). Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
std::chrono::milliseconds backoff_after(const RetryPolicy& policy, int attempt, double random);

}  // namespace millrace
