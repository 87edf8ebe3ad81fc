#pragma once

#include <optional>
#include <string>

#include "common/log/kafka_client.h"

namespace millrace {

// What becomes of a member with a kafka_instance (KIP-345) that the group has fenced. Another
// process may have its place; or, after an outage, it was a late request of its own, whose answer
// or whose member nobody waits for: that one goes when the session timeout is over. Owned by one
// thread.
class KafkaFence {
 public:
  KafkaFence(const KafkaClient& client, std::string group)
      : client_(client), group_(std::move(group)) {}

  bool is_up() const { return fenced_at_.has_value(); }
  void raise();  // by a consumer that has ended since
  // Asks the group. Takes the fence away when the place is free; `unavailable` while that is not
  // known; `fatal` when another process lives in it.
  Status wait();

 private:
  const KafkaClient& client_;
  const std::string group_;
  std::optional<Clock::Steady> fenced_at_;
};

}  // namespace millrace
