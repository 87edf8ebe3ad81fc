#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log.h"
#include "common/metrics.h"
#include "tests/support/fake_clock.h"
#include "tests/support/watched_log.h"
#include "workers/runtime/runner.h"
#include "workers/runtime/stage.h"

namespace millrace {

struct StageDriverOptions {
  std::string stage = "stage";
  std::vector<std::string> inputs;   // empty: the topics of what is piped before the first run
  std::vector<std::string> outputs;  // empty: every topic
  std::int32_t partitions = 1;
  int generation = 1;
  bool exactly_once = true;
  std::size_t poll_records_max = 256;
  RetryPolicy retry;
  const Tracer* tracer = nullptr;
};

// Runs a stage under the real runner over a log in memory that has every topic of the table:
//   StageDriver driver{std::make_unique<Chunker>(…)};
//   driver.pipe(to_record(text_event));
//   const std::vector<Record> chunks = driver.read(topics::chunks(1));
// Backoffs and pauses take no time (FakeClock). For one test thread.
class StageDriver {
 public:
  using Factory = std::function<std::unique_ptr<Stage>(StageDriver&)>;

  explicit StageDriver(std::unique_ptr<Stage> stage, StageDriverOptions options = {});
  // For stages that need the log, the clock or the metrics.
  explicit StageDriver(const Factory& factory, StageDriverOptions options = {});
  ~StageDriver();
  StageDriver(const StageDriver&) = delete;
  StageDriver& operator=(const StageDriver&) = delete;

  // Appends and drains: when it returns, the record's outputs can be read. The second form puts the
  // record on this topic.
  void pipe(Record record);
  void pipe(std::string_view topic, Record record);
  void pipe_all(std::vector<Record> records);

  // The steps of pipe(). append() runs nothing; drain() starts the runner where it is not running
  // and waits until it has committed the ends of its inputs, or stopped on a fatal error. A hang is
  // a failure of the test.
  std::vector<Position> append(std::vector<Record> records);
  void drain();
  void start();  // without waiting
  void stop();   // as SIGTERM does: finishes the batch, commits what is settled
  // Another life of the process: a new stage over the same log.
  void restart_with(std::unique_ptr<Stage> stage);

  // Everything on the topic, segments joined, partition by partition.
  std::vector<Record> read(std::string_view topic);
  // What the stage's group has committed; -1: nothing.
  Offset committed(std::string_view topic, std::int32_t partition = 0) const;
  // The error that stopped the runner, if one did.
  std::optional<Error> fatal_error() const;

  WatchedLog& log() { return log_; }
  FakeClock& clock() { return clock_; }
  MetricsRegistry& metrics() { return metrics_; }
  Runner& runner() { return *runner_; }

 private:
  bool drained() const;

  MetricsRegistry metrics_;
  FakeClock clock_;
  WatchedLog log_;
  StageDriverOptions options_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<Stage> stage_;  // until the runner has it
  std::unique_ptr<Runner> runner_;
  mutable std::mutex mutex_;
  std::optional<Error> fatal_error_;
};

}  // namespace millrace
