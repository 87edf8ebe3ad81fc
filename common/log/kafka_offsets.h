#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/kafka_client.h"

namespace millrace {

// What `group` has committed, without those where it has nothing yet. While a transaction of it is
// open: when that has ended, at the latest after the request timeout, or without it.
enum class Pending { wait, ignore };
Result<Offsets> kafka_committed(const KafkaClient& client, const std::string& group,
                                std::span<const TopicPartition> partitions, Pending pending);
Result<std::optional<Offset>> kafka_committed(const KafkaClient& client, const std::string& group,
                                              const TopicPartition& partition, Pending pending);

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

// What the consumer's group has committed, once no transaction of it is open; without those where
// it has nothing yet.
Result<Offsets> kafka_group_offsets(const KafkaClient& client, rd_kafka_t* consumer,
                                    const std::string& group,
                                    std::span<const TopicPartition> partitions);

}  // namespace millrace
