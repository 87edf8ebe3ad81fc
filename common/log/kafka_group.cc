#include "common/log/kafka_group.h"

#include "common/log/kafka_admin.h"

namespace millrace {

namespace {

constexpr std::chrono::milliseconds kAskAgain{100};

Result<KafkaGroup> ask(const KafkaClient& client, rd_kafka_t* handle, const std::string& group) {
  const std::string name = client.outside(group);
  const std::string doing = "members of the group " + group;
  const auto event =
      kafka_admin(handle, doing, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, client.timeout_ms(),
                  [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                    const char* groups[] = {name.c_str()};
                    rd_kafka_DescribeConsumerGroups(handle, groups, 1, options, queue);
                  });
  if (!event) return event.error();
  std::size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** groups =
      rd_kafka_DescribeConsumerGroups_result_groups(
          rd_kafka_event_DescribeConsumerGroups_result(event->get()), &count);
  if (count == 0) return unavailable(doing + ": the answer names no group");
  KafkaGroup described;
  if (const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(groups[0])) {
    const auto code = rd_kafka_error_code(error);
    if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return described;
    return kafka_error(doing, code, rd_kafka_error_string(error));
  }
  described.is_stable =
      rd_kafka_ConsumerGroupDescription_state(groups[0]) == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
  const std::size_t members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
  for (std::size_t i = 0; i < members; ++i) {
    const auto* member = rd_kafka_ConsumerGroupDescription_member(groups[0], i);
    const char* instance = rd_kafka_MemberDescription_group_instance_id(member);
    if (instance != nullptr) described.instances.insert(instance);
    const auto* assignment = rd_kafka_MemberDescription_assignment(member);
    const auto* partitions =
        assignment == nullptr ? nullptr : rd_kafka_MemberAssignment_partitions(assignment);
    if (partitions != nullptr) described.assigned += static_cast<std::size_t>(partitions->cnt);
  }
  return described;
}

}  // namespace

Result<KafkaHandle> open_kafka_group(const KafkaClient& client, const std::string& group,
                                     KafkaCallbacks& callbacks) {
  return client.make_consumer(group, {}, callbacks);
}

Result<KafkaGroup> describe_kafka_group(const KafkaClient& client, const std::string& group) {
  const auto until = client.clock().now() + client.options().request_timeout;
  for (;;) {
    KafkaCallbacks callbacks;
    const auto handle = open_kafka_group(client, group, callbacks);
    if (!handle) return handle.error();
    auto described = ask(client, handle->get(), group);
    if (described || described.error().kind != Error::Kind::unavailable) return described;
    if (client.clock().now() > until) return described;
    client.clock().sleep_for(kAskAgain, {});
  }
}

}  // namespace millrace
