#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/error.h"
#include "common/metrics.h"

namespace millrace {

// Every metric that a stage has, registered at construction. One per runner.
class Probe {
 public:
  using Duration = std::chrono::steady_clock::duration;

  Probe(MetricsRegistry& metrics, const std::string& stage);

  void batch_processed(std::size_t records, Duration took) const;
  void committed(Duration took) const;
  void records(std::size_t all, std::size_t dead_letters) const;  // of these so many dead letters
  void retried(Error::Kind kind) const;  // retryable: one record; unavailable: one batch
  void lag(std::int64_t records) const;
  void paused(bool now) const;

 private:
  Counter records_ok_;
  Counter records_dead_lettered_;
  Counter dead_letters_;
  Counter retries_retryable_;
  Counter retries_unavailable_;
  Histogram batch_seconds_;
  Histogram batch_records_;
  Histogram commit_seconds_;
  Gauge lag_records_;
  Gauge paused_;
};

}  // namespace millrace
