#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"
#include "workers/runtime/precedence.h"
#include "workers/runtime/retry.h"
#include "workers/runtime/stage.h"

namespace millrace {

class Tracer;

struct RunnerOptions {
  std::string stage;                 // name, also of its consumer group
  std::vector<std::string> inputs;   // topics
  std::vector<std::string> outputs;  // topics it may write to (asserted), `dead-letters` aside
  bool exactly_once = true;
  std::size_t poll_records_max = 256;
  std::size_t poll_bytes_max = 8U << 20U;
  std::chrono::milliseconds poll_wait{200};
  std::chrono::milliseconds settle_interval{50};  // of asking a concurrent stage for its offsets
  RetryPolicy retry;
  std::shared_ptr<const PartitionChoice> choice;  // SessionOptions'
  std::shared_ptr<PartitionChoice> caught_up;     // told which partitions are: see caught_up.h
  std::shared_ptr<LiveWork> live;                 // of the process: see precedence.h
  std::shared_ptr<const std::atomic<bool>> background;  // null: it is live
  const Tracer* tracer = nullptr;                       // borrowed; null: no spans
};

// The only consume-process-produce loop: one thread that polls, processes and commits.
//   retryable    the record is tried again alone after a backoff, up to attempts_max, then dead
//   letter unavailable  rewind and pause, growing, without spending attempts rejected     dead
//   letter at once fatal        stop; on_fatal is called from the runner's thread
// Outputs, dead letters and consumed offsets commit together (exactly_once), stamped with
// source position and trace: the span of the record they come of, from process() to its commit.
// Attempts are counted per position and survive a rewind.
class Runner {
 public:
  // `log`, `clock` and `metrics` outlive it; it owns the stage. Starts nothing yet.
  Runner(Log& log, const Clock& clock, MetricsRegistry& metrics, std::unique_ptr<Stage> stage,
         RunnerOptions options);
  ~Runner();  // stops and joins
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Opens the session, seeks, starts the thread. Once.
  Status start(std::function<void(const Error&)> on_fatal);
  // Finishes the batch in hand and ends the thread; returns when it has ended. Idempotent.
  void stop();
  // Records of its inputs not yet committed.
  std::int64_t lag() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
