#include "common/log/kafka_offsets.h"

#include "common/log/kafka_admin.h"
#include "common/log/kafka_group.h"

namespace millrace {

namespace {

constexpr std::chrono::milliseconds kAskAgain{10};
constexpr std::chrono::milliseconds kLookAgain{100};  // for a coordinator

// A transaction is being ended, a coordinator or a leader is moving, or a topic is so new that not
// every broker has heard of it: ask again.
bool is_passing(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return true;
    default:
      return false;
  }
}

struct GroupAnswer {
  rd_kafka_resp_err_t passing = RD_KAFKA_RESP_ERR_NO_ERROR;  // ask again
  Offsets offsets;
};

Result<GroupAnswer> ask_group(const KafkaClient& client, rd_kafka_t* handle, std::string_view group,
                              const Offsets& asked_for, Pending pending) {
  const std::string name = client.outside(group);
  const std::string doing = "offsets of group " + name;
  const KafkaPartitions asked = to_kafka(client, asked_for);
  const Kafka<rd_kafka_ListConsumerGroupOffsets_t> one{
      rd_kafka_ListConsumerGroupOffsets_new(name.c_str(), asked.get())};
  GroupAnswer answer;
  const auto event = kafka_admin(
      handle, doing, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, client.timeout_ms(),
      [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
        const KafkaError refused{rd_kafka_AdminOptions_set_require_stable_offsets(
            options, pending == Pending::wait ? 1 : 0)};
        rd_kafka_ListConsumerGroupOffsets_t* groups[] = {one.get()};
        rd_kafka_ListConsumerGroupOffsets(handle, groups, 1, options, queue);
      },
      &answer.passing);
  if (!event && is_passing(answer.passing)) return answer;
  if (!event) return event.error();
  std::size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event->get()), &count);
  if (count == 0) return unavailable(doing + ": the answer names no group");
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    answer.passing = rd_kafka_error_code(error);
    if (is_passing(answer.passing)) return answer;
    return kafka_error(doing, rd_kafka_error_code(error), rd_kafka_error_string(error));
  }
  const rd_kafka_topic_partition_list_t* found = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; found != nullptr && i < found->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = found->elems[i];
    answer.passing = each.err;
    if (is_passing(each.err)) return answer;
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(doing, each.err);
    if (each.offset < 0) continue;
    answer.offsets.emplace(TopicPartition{client.inside(each.topic), each.partition}, each.offset);
  }
  return answer;
}

}  // namespace

Result<Offsets> kafka_committed(const KafkaClient& client, const std::string& group,
                                std::span<const TopicPartition> partitions, Pending pending) {
  Offsets asked;
  for (const TopicPartition& each : partitions) asked.emplace(each, RD_KAFKA_OFFSET_INVALID);
  const auto until = client.clock().now() + client.options().request_timeout;
  KafkaCallbacks callbacks;
  KafkaHandle handle;
  for (;;) {
    if (!handle) {
      auto opened = open_kafka_group(client, group, callbacks);
      if (!opened) return opened.error();
      handle = std::move(*opened);
    }
    const auto answer = ask_group(client, handle.get(), group, asked, pending);
    if (!answer) return answer.error();
    if (answer->passing == RD_KAFKA_RESP_ERR_NO_ERROR) return answer->offsets;
    if (client.clock().now() > until) {
      const bool waits =
          answer->passing == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT && pending == Pending::wait;
      if (!waits) return kafka_error("offsets of group " + group, answer->passing);
      pending = Pending::ignore;  // it may never end: see KafkaSession::settle_offsets
    }
    const bool has_moved = answer->passing == RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    if (has_moved) handle.reset();
    client.clock().sleep_for(has_moved ? kLookAgain : kAskAgain, {});
  }
}

Result<std::optional<Offset>> kafka_committed(const KafkaClient& client, const std::string& group,
                                              const TopicPartition& partition, Pending pending) {
  const auto found = kafka_committed(client, group, std::span{&partition, 1}, pending);
  if (!found) return found.error();
  const auto at = found->find(partition);
  return at == found->end() ? std::nullopt : std::optional{at->second};
}

// rd_kafka_query_watermark_offsets() of librdkafka 2.0 outlasts its timeout while a broker stands
// still; this way keeps it.
Result<Offsets> kafka_offsets(const KafkaClient& client, rd_kafka_t* handle,
                              std::span<const TopicPartition> partitions, Offset which) {
  Offsets asked;
  if (partitions.empty()) return asked;  // librdkafka refuses to ask for nothing
  for (const TopicPartition& each : partitions) asked.emplace(each, which);
  const auto until = client.clock().now() + client.options().request_timeout;
  for (;;) {
    const KafkaPartitions list = to_kafka(client, asked);
    auto code = rd_kafka_offsets_for_times(handle, list.get(), client.timeout_ms());
    std::string where = "the topics";
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      const rd_kafka_topic_partition_t& each = list->elems[i];
      code = each.err;
      where = std::string{each.topic} + ":" + std::to_string(each.partition);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      for (int i = 0; i < list->cnt; ++i) {
        const rd_kafka_topic_partition_t& each = list->elems[i];
        asked[{client.inside(each.topic), each.partition}] = each.offset;
      }
      return asked;
    }
    if (!is_passing(code) || client.clock().now() > until) {
      return kafka_error("bounds of " + where, code);
    }
    client.clock().sleep_for(kAskAgain, {});
  }
}

Result<std::map<TopicPartition, KafkaBounds>> kafka_bounds(
    const KafkaClient& client, rd_kafka_t* handle, std::span<const TopicPartition> partitions) {
  const auto begins = kafka_offsets(client, handle, partitions, RD_KAFKA_OFFSET_BEGINNING);
  if (!begins) return begins.error();
  const auto ends = kafka_offsets(client, handle, partitions, RD_KAFKA_OFFSET_END);
  if (!ends) return ends.error();
  std::map<TopicPartition, KafkaBounds> bounds;
  for (const auto& [partition, begin] : *begins) {
    bounds.emplace(partition, KafkaBounds{begin, ends->at(partition)});
  }
  return bounds;
}

Result<Offsets> kafka_group_offsets(const KafkaClient& client, rd_kafka_t* consumer,
                                    const std::string& group,
                                    std::span<const TopicPartition> partitions) {
  const std::string doing = "committed offsets of the group " + group;
  Offsets asked;
  for (const TopicPartition& each : partitions) asked.emplace(each, RD_KAFKA_OFFSET_INVALID);
  const KafkaPartitions list = to_kafka(client, asked);
  if (const auto code = rd_kafka_committed(consumer, list.get(), client.timeout_ms())) {
    return kafka_error(doing, code);
  }
  Offsets committed;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(doing, each.err);
    if (each.offset < 0) continue;
    committed.emplace(TopicPartition{client.inside(each.topic), each.partition}, each.offset);
  }
  return committed;
}

}  // namespace millrace
