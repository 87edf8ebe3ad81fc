#pragma once

#include "common/config.h"
#include "common/log/kafka_log.h"
#include "common/stop_signal.h"

namespace millrace {

KafkaLogOptions kafka_options(const Config& config);

// The cluster's log, as soon as the cluster answers and has all of `topics` with their partitions;
// says once what is waited for. Null: asked to stop meanwhile. `rejected` where a topic has other
// partitions than the table says, or a setting is wrong.
Result<std::unique_ptr<Log>> wait_for_kafka(const KafkaLogOptions& options,
                                            std::span<const TopicSpec> topics, const Clock& clock,
                                            MetricsRegistry& metrics, StopSignal& stop);

}  // namespace millrace
