#include "common/log/kafka_topics.h"

#include <algorithm>

#include "common/erasure.h"
#include "common/log/kafka_admin.h"
#include "common/log/kafka_records.h"

namespace millrace {

namespace {

// A segment of the log that is being written is neither trimmed nor compacted.
constexpr std::chrono::milliseconds kRollMin{std::chrono::minutes{1}};
constexpr std::chrono::milliseconds kRollMax{std::chrono::hours{24}};
constexpr int kRollsPerRetention = 4;

Error no_topic(std::string_view topic) {
  return rejected("there is no topic " + std::string{topic} +
                  " in the cluster; `millrace topics create` makes what is missing");
}

Result<std::int32_t> ask_partitions(const KafkaClient& client, rd_kafka_t* handle,
                                    std::string_view topic) {
  const std::string doing = "partitions of the topic " + std::string{topic};
  const Kafka<rd_kafka_topic_t> named{
      rd_kafka_topic_new(handle, client.outside(topic).c_str(), nullptr)};
  if (!named) return kafka_error(doing, rd_kafka_last_error());
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(handle, 0, named.get(), &answer, client.timeout_ms());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(doing, code);
  const Kafka<const rd_kafka_metadata_t> owned{answer};
  if (answer->topic_cnt == 0) return no_topic(topic);
  const rd_kafka_metadata_topic_t& found = answer->topics[0];
  if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return no_topic(topic);
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR &&
      found.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
    return kafka_error(doing, found.err);
  }
  return found.partition_cnt;
}

Result<Kafka<rd_kafka_NewTopic_t>> new_topic(const KafkaClient& client, const TopicSpec& spec) {
  char reason[256];
  constexpr int kAsTheBrokersSay = -1;
  const std::int32_t wanted = client.options().replication;
  const int replication = wanted > 0 ? wanted : kAsTheBrokersSay;
  Kafka<rd_kafka_NewTopic_t> topic{rd_kafka_NewTopic_new(
      client.outside(spec.name).c_str(), spec.partitions, replication, reason, sizeof reason)};
  if (!topic) return rejected("make the topic " + spec.name + ": " + reason);
  std::map<std::string, std::string> settings =
      kafka_topic_settings(spec, client.options().erase_within);
  if (wanted > 1) settings["min.insync.replicas"] = "2";
  for (const auto& [name, value] : settings) {
    rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str());
  }
  return topic;
}

}  // namespace

std::map<std::string, std::string> kafka_topic_settings(const TopicSpec& spec,
                                                        std::chrono::milliseconds erase_within) {
  const std::chrono::milliseconds step = erasure_step(erase_within);
  const std::chrono::milliseconds longest = std::min<std::chrono::milliseconds>(kRollMax, step);
  std::map<std::string, std::string> settings;
  if (spec.compacted) {
    settings = {{"cleanup.policy", "compact"},
                {"min.cleanable.dirty.ratio", "0.1"},
                {"segment.ms", std::to_string(longest.count())},
                {"max.compaction.lag.ms", std::to_string(step.count())},
                {"delete.retention.ms",
                 std::to_string(std::chrono::milliseconds{std::chrono::hours{24}}.count())}};
    if (!spec.expires) return settings;
  }
  const auto roll = std::clamp(spec.retention / kRollsPerRetention,
                               std::min<std::chrono::milliseconds>(kRollMin, longest), longest);
  settings["cleanup.policy"] = spec.compacted ? "compact,delete" : "delete";
  settings["retention.ms"] = std::to_string(spec.retention.count());
  settings["segment.ms"] = std::to_string(roll.count());
  return settings;
}

std::optional<std::int32_t> KafkaTopics::known(std::string_view topic) const {
  const std::lock_guard lock{mutex_};
  const auto found = partitions_.find(topic);
  if (found == partitions_.end()) return std::nullopt;
  return found->second;
}

bool KafkaTopics::needs_key(std::string_view topic) const {
  const std::lock_guard lock{mutex_};
  return compacted_.contains(topic);
}

Result<std::int32_t> KafkaTopics::partitions(rd_kafka_t* handle, std::string_view topic) {
  if (const auto already = known(topic)) return *already;
  const auto asked = ask_partitions(client_, handle, topic);
  if (!asked) return asked.error();
  if (*asked == 0) return unavailable("the topic " + std::string{topic} + " is being made");
  const std::lock_guard lock{mutex_};
  partitions_.emplace(topic, *asked);
  return *asked;
}

Status KafkaTopics::introduce(rd_kafka_t* handle, std::string_view topic) const {
  const auto asked = ask_partitions(client_, handle, topic);
  return asked ? Status{} : asked.error();
}

Status KafkaTopics::check_alike(rd_kafka_t* handle, std::span<const std::string> names) {
  std::optional<std::int32_t> first;
  for (const std::string& each : names) {
    const auto count = partitions(handle, each);
    if (!count) return count.error();
    if (*count == first.value_or(*count)) {
      first = *count;
      continue;
    }
    return rejected("the topics " + names.front() + " and " + each + " of one session have " +
                    std::to_string(*first) + " and " + std::to_string(*count) +
                    " partitions; they must have the same number");
  }
  return {};
}

Status KafkaTopics::make_missing(rd_kafka_t* handle, std::span<const TopicSpec> topics) {
  std::vector<Kafka<rd_kafka_NewTopic_t>> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const TopicSpec& each : topics) {
    auto topic = new_topic(client_, each);
    if (!topic) return topic.error();
    wanted.push_back(topic->get());
    owned.push_back(std::move(*topic));
  }
  const auto event =
      kafka_admin(handle, "make topics", RD_KAFKA_ADMIN_OP_CREATETOPICS, client_.timeout_ms(),
                  [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                    char reason[256];
                    rd_kafka_AdminOptions_set_operation_timeout(options, client_.timeout_ms(),
                                                                reason, sizeof reason);
                    rd_kafka_CreateTopics(handle, wanted.data(), wanted.size(), options, queue);
                  });
  if (!event) return event.error();
  std::size_t count = 0;
  const rd_kafka_topic_result_t** made =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event->get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = rd_kafka_topic_result_error(made[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      continue;
    }
    const char* reason = rd_kafka_topic_result_error_string(made[i]);
    return kafka_error(std::string{"make the topic "} + rd_kafka_topic_result_name(made[i]), code,
                       reason == nullptr ? "" : reason);
  }
  return {};
}

Status KafkaTopics::create(rd_kafka_t* handle, std::span<const TopicSpec> topics) {
  std::vector<TopicSpec> missing;
  for (const TopicSpec& each : topics) {
    const auto found = partitions(handle, each.name);
    if (!found && found.error().kind != Error::Kind::rejected) return found.error();
    if (!found) missing.push_back(each);
  }
  if (!missing.empty()) {
    if (Status made = make_missing(handle, missing); !made) return made;
  }
  for (const TopicSpec& each : topics) {
    // The broker that answers may not have heard of it yet.
    auto found = partitions(handle, each.name);
    const auto until = client_.clock().now() + client_.options().request_timeout;
    while (!found && client_.clock().now() < until) {
      constexpr std::chrono::milliseconds kPause{20};
      client_.clock().sleep_for(kPause, {});
      found = partitions(handle, each.name);
    }
    if (!found) return found.error();
    if (*found != each.partitions) {
      return rejected("the topic " + each.name + " has " + std::to_string(*found) +
                      " partitions, not " + std::to_string(each.partitions));
    }
    const std::lock_guard lock{mutex_};
    if (each.compacted) compacted_.insert(each.name);
  }
  return {};
}

Status KafkaTopics::remove(rd_kafka_t* handle, std::span<const std::string> names) {
  if (names.empty()) return {};
  std::vector<Kafka<rd_kafka_DeleteTopic_t>> owned;
  std::vector<rd_kafka_DeleteTopic_t*> doomed;
  {
    const std::lock_guard lock{mutex_};
    for (const std::string& each : names) {
      partitions_.erase(each);
      compacted_.erase(each);
      owned.emplace_back(rd_kafka_DeleteTopic_new(client_.outside(each).c_str()));
      doomed.push_back(owned.back().get());
    }
  }
  const auto event =
      kafka_admin(handle, "delete topics", RD_KAFKA_ADMIN_OP_DELETETOPICS, client_.timeout_ms(),
                  [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                    rd_kafka_DeleteTopics(handle, doomed.data(), doomed.size(), options, queue);
                  });
  if (!event) return event.error();
  std::size_t count = 0;
  const rd_kafka_topic_result_t** deleted =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event->get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = rd_kafka_topic_result_error(deleted[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      continue;
    }
    const char* reason = rd_kafka_topic_result_error_string(deleted[i]);
    return kafka_error(std::string{"delete the topic "} + rd_kafka_topic_result_name(deleted[i]),
                       code, reason == nullptr ? "" : reason);
  }
  return {};
}

Result<std::vector<std::string>> KafkaTopics::names(rd_kafka_t* handle) const {
  const rd_kafka_metadata_t* answer = nullptr;
  constexpr int kAllTopics = 1;
  const auto code = rd_kafka_metadata(handle, kAllTopics, nullptr, &answer, client_.timeout_ms());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error("list the topics", code);
  const Kafka<const rd_kafka_metadata_t> owned{answer};
  std::vector<std::string> names;
  for (int i = 0; i < answer->topic_cnt; ++i) {
    const std::string_view name = answer->topics[i].topic;
    if (name.starts_with(client_.options().prefix)) names.push_back(client_.inside(name));
  }
  std::ranges::sort(names);
  return names;
}

Result<std::int32_t> route(const KafkaTopics& topics, const Record& record) {
  const auto count = topics.known(record.topic);
  if (!count) return no_topic(record.topic);
  if (record.bytes() > kKafkaRecordBytesMax) {
    return rejected("a record for " + record.topic + " has " + std::to_string(record.bytes()) +
                    " bytes; " + std::to_string(kKafkaRecordBytesMax) + " are allowed");
  }
  if (record.key.empty() && topics.needs_key(record.topic)) {
    return rejected("a record for " + record.topic +
                    " has no key: the topic keeps the last of each");
  }
  if (record.partition < 0) return partition_for(record.key, *count);
  if (record.partition >= *count) {
    return rejected("there is no partition " + record.topic + ":" +
                    std::to_string(record.partition));
  }
  return record.partition;
}

}  // namespace millrace
