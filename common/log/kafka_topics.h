#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/kafka_client.h"

namespace millrace {

// Which topics there are, with how many partitions, as far as anybody asked: both stay as they are
// until they are deleted. Thread-safe.
class KafkaTopics {
 public:
  explicit KafkaTopics(const KafkaClient& client) : client_(client) {}

  // Without waiting; empty when nobody has asked for the topic yet.
  std::optional<std::int32_t> known(std::string_view topic) const;
  // Asks the cluster once. `rejected` when there is no such topic.
  Result<std::int32_t> partitions(rd_kafka_t* handle, std::string_view topic);
  // Makes a handle learn of the topic, which it else does up to a second after it first needs it.
  Status introduce(rd_kafka_t* handle, std::string_view topic) const;

  // `rejected` where they differ in their number of partitions.
  Status check_alike(rd_kafka_t* handle, std::span<const std::string> names);

  // Makes the topics that are missing. `rejected` where one has other partitions.
  Status create(rd_kafka_t* handle, std::span<const TopicSpec> topics);
  // Deletes those that there are, and forgets them.
  Status remove(rd_kafka_t* handle, std::span<const std::string> names);
  // Those of the cluster that have the prefix, without it; sorted.
  Result<std::vector<std::string>> names(rd_kafka_t* handle) const;
  bool needs_key(std::string_view topic) const;  // of those that create() was told of

 private:
  Status make_missing(rd_kafka_t* handle, std::span<const TopicSpec> topics);

  const KafkaClient& client_;
  mutable std::mutex mutex_;
  std::map<std::string, std::int32_t, std::less<>> partitions_;
  std::set<std::string, std::less<>> compacted_;
};

// Where a record belongs. `rejected` for what no broker would take: an unknown topic or partition,
// a record over kKafkaRecordBytesMax, one without a key for a compacted topic. Never waits.
Result<std::int32_t> route(const KafkaTopics& topics, const Record& record);

// The settings that a topic of the table has in the cluster, by Kafka's names.
std::map<std::string, std::string> kafka_topic_settings(const TopicSpec& spec,
                                                        std::chrono::milliseconds erase_within);

}  // namespace millrace
