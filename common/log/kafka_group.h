#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "common/log/kafka_client.h"

namespace millrace {

// A group of consumers as its coordinator knows it; empty where there is none of that name.
struct KafkaGroup {
  bool is_stable = false;           // no rebalance goes on
  std::set<std::string> instances;  // of its static members (KIP-345)
  std::size_t assigned = 0;         // partitions that its members have, all together
};

// A handle for one question to the coordinator of a group: librdkafka 2.0 is not up to one that
// moves. A handle keeps asking the broker that it has found, also when that says that it is none
// any more; without a group it ends the process at this answer to a question about offsets (its
// issue 5040), and with a question that has timed out when the broker comes back (4605).
Result<KafkaHandle> open_kafka_group(const KafkaClient& client, const std::string& group,
                                     KafkaCallbacks& callbacks);

// Asks again while the coordinator is moving, at the latest until the request timeout.
Result<KafkaGroup> describe_kafka_group(const KafkaClient& client, const std::string& group);

}  // namespace millrace
