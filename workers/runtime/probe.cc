#include "workers/runtime/probe.h"

namespace millrace {
namespace {

double seconds(Probe::Duration duration) { return std::chrono::duration<double>{duration}.count(); }

}  // namespace

Probe::Probe(MetricsRegistry& metrics, const std::string& stage) {
  const MetricLabels labels{{"stage", stage}};
  const auto with = [&](const char* name, const char* value) {
    return MetricLabels{{"stage", stage}, {name, value}};
  };
  constexpr const char* kRecords = "Records done with";
  records_ok_ = metrics.counter("stage_records_total", kRecords, with("outcome", "ok"));
  records_dead_lettered_ =
      metrics.counter("stage_records_total", kRecords, with("outcome", "dead_lettered"));
  dead_letters_ = metrics.counter("stage_dead_letters_total", "Dead letters written", labels);
  constexpr const char* kRetries = "Records (retryable) and batches (unavailable) tried again";
  retries_retryable_ = metrics.counter("stage_retries_total", kRetries, with("kind", "retryable"));
  retries_unavailable_ =
      metrics.counter("stage_retries_total", kRetries, with("kind", "unavailable"));
  batch_seconds_ = metrics.histogram("stage_batch_seconds", "Processing a batch", labels);
  batch_records_ = metrics.histogram("stage_batch_records", "Records in a batch", labels,
                                     {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024});
  commit_seconds_ =
      metrics.histogram("stage_commit_seconds", "Checkpoint and commit of a batch", labels);
  lag_records_ = metrics.gauge("stage_lag_records", "Records not yet committed", labels);
  paused_ = metrics.gauge("stage_paused", "1 while a dependency is down", labels);
}

void Probe::batch_processed(std::size_t records, Duration took) const {
  batch_records_.observe(static_cast<double>(records));
  batch_seconds_.observe(seconds(took));
}

void Probe::committed(Duration took) const { commit_seconds_.observe(seconds(took)); }

void Probe::records(std::size_t all, std::size_t dead_letters) const {
  records_ok_.add(static_cast<double>(all - dead_letters));
  records_dead_lettered_.add(static_cast<double>(dead_letters));
  dead_letters_.add(static_cast<double>(dead_letters));
}

void Probe::retried(Error::Kind kind) const {
  (kind == Error::Kind::unavailable ? retries_unavailable_ : retries_retryable_).add();
}

void Probe::lag(std::int64_t records) const { lag_records_.set(static_cast<double>(records)); }

void Probe::paused(bool now) const { paused_.set(now ? 1 : 0); }

}  // namespace millrace
