#pragma once

#include <functional>
#include <span>

#include "common/config.h"
#include "common/log/kafka_log.h"
#include "common/readiness.h"
#include "common/stop_signal.h"

namespace millrace {

KafkaLogOptions kafka_options(const Config& config);

// How a process waits for its cluster: with longer and longer pauses, each new reason in the log
// and as the condition "log" of `readiness`. One thread's; what it borrows outlives it.
class KafkaWait {
 public:
  KafkaWait(std::string brokers, Readiness& readiness, StopSignal& stop);

  // Calls `attempt` until it answers something else than `unavailable`: true when it is done, its
  // error, or false when the process was asked to stop meanwhile.
  Result<bool> until(const std::function<Status()>& attempt);
  // False: asked to stop.
  bool pause(const Error& reason);

 private:
  const std::string brokers_;
  Readiness& readiness_;
  StopSignal& stop_;
  std::string said_;
  std::chrono::milliseconds pause_;
};

// The cluster's log, as soon as the cluster answers and has all of `topics` with their partitions.
// Null: asked to stop meanwhile. `rejected` where topics have other partitions than the table says,
// or a setting is wrong.
Result<std::unique_ptr<Log>> wait_for_kafka(const KafkaLogOptions& options,
                                            std::span<const TopicSpec> topics, const Clock& clock,
                                            MetricsRegistry& metrics, KafkaWait& wait);

}  // namespace millrace
