#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "common/log/kafka_client.h"

namespace millrace {

// One request of librdkafka's admin interface, waited for. `request` starts it on the queue given.
// Thread-safe: any handle will do.
Result<Kafka<rd_kafka_event_t>> kafka_admin(
    rd_kafka_t* handle, std::string_view doing, rd_kafka_admin_op_t operation, int timeout_ms,
    const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request);

// What `group` has committed, once no transaction of it is open; empty when nothing yet.
Result<std::optional<Offset>> kafka_committed(const KafkaClient& client, rd_kafka_t* handle,
                                              std::string_view group,
                                              const TopicPartition& partition);

// Of each partition RD_KAFKA_OFFSET_BEGINNING, the first offset still kept, or RD_KAFKA_OFFSET_END,
// that of the next record.
Result<Offsets> kafka_offsets(const KafkaClient& client, rd_kafka_t* handle,
                              std::span<const TopicPartition> partitions, Offset which);
struct KafkaBounds {
  Offset begin = 0;
  Offset end = 0;
};
Result<std::map<TopicPartition, KafkaBounds>> kafka_bounds(
    const KafkaClient& client, rd_kafka_t* handle, std::span<const TopicPartition> partitions);

}  // namespace millrace
