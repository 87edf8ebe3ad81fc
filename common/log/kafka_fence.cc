#include "common/log/kafka_fence.h"

#include "common/log/kafka_group.h"

namespace millrace {

namespace {

// Of the session timeout: heartbeats of the dead member may have been heard until it ended.
constexpr int kTimeoutsMax = 2;

}  // namespace

void KafkaFence::raise() { fenced_at_ = client_.clock().now(); }

Status KafkaFence::wait() {
  const auto group = describe_kafka_group(client_, group_);
  if (!group) return group.error();
  if (!group->instances.contains(client_.options().instance)) {
    fenced_at_.reset();
    return {};
  }
  Error error =
      kafka_error("read as a member of the group " + group_, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
  const auto timeout = client_.options().session_timeout;
  if (client_.clock().now() - *fenced_at_ <= kTimeoutsMax * timeout) {
    error.kind = Error::Kind::unavailable;
  }
  return error;
}

}  // namespace millrace
