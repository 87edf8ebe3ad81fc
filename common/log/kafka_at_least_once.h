#pragma once

#include <future>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/log/kafka_producer.h"

namespace millrace {

// How a session commits on the question's way, where transactions are too slow: outputs first, the
// group's offsets after. The outputs of one batch are stored while the next one is processed;
// offsets go four times a second and nobody waits for them. Owned by one thread.
class KafkaAtLeastOnce {
 public:
  KafkaAtLeastOnce(const KafkaClient& client, KafkaProducer& producer, std::string group)
      : client_(client), producer_(producer), group_(std::move(group)) {}

  // Waits for what the last one appended, and after a failure for what this one appends. `before`:
  // where each partition of `consumed` stands without it. When something was not stored this, and
  // turn(), fail until take_lost(): `unavailable` for what an earlier call appended.
  Status commit(std::span<const Record> outputs, const Offsets& consumed, Offsets before,
                rd_kafka_t* consumer);
  // Looks what has been stored meanwhile, and sends the offsets that are due.
  Status turn(rd_kafka_t* consumer);
  // Waits for what is being stored; where to begin again, of each partition where it failed.
  Offsets take_lost();
  // Wait as well, and send what the group does not know yet: partitions go to others, or all.
  // Nothing of them is sent again.
  void let_go(const std::set<TopicPartition>& partitions, rd_kafka_t* consumer);
  void leave(rd_kafka_t* consumer);

 private:
  struct Append {
    std::future<Result<std::vector<Position>>> stored;
    Offsets before;
    Offsets consumed;
  };
  bool is_done() const;
  void finish();
  Status finish_earlier();
  Status send_due(rd_kafka_t* consumer);
  Status send(rd_kafka_t* consumer);

  const KafkaClient& client_;
  KafkaProducer& producer_;
  const std::string group_;
  std::optional<Append> append_;  // of the last commit
  Offsets lost_;                  // where it stood before what was not stored
  std::optional<Error> failed_;   // why
  bool waits_ = false;            // until something is stored again
  Offsets unsent_;                // their outputs are stored, and the group does not know
  Offsets sent_;                  // without waiting for it
  Clock::Steady sent_at_{};
};

}  // namespace millrace
