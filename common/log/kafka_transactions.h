#pragma once

#include <memory>
#include <optional>
#include <span>

#include "common/log/kafka_topics.h"

namespace millrace {

// A transactional producer: stores records and a group's offsets all or nothing (KIP-98, KIP-447).
// Owned by one thread.
class KafkaTransactions {
 public:
  // Fences who had the id before and aborts what it left open. Waits for that.
  static Result<std::unique_ptr<KafkaTransactions>> open(const KafkaClient& client,
                                                         const KafkaTopics& topics,
                                                         const std::string& id);

  // `rejected`: the log will never take these records. `unavailable`: nothing was stored, also
  // where the group has given the partitions of `consumer` to another member. `fatal`: nobody knows
  // what was stored; what the group has committed says it, when it is read anew.
  Status commit(std::span<const Record> outputs, const Offsets& consumed, rd_kafka_t* consumer);

 private:
  KafkaTransactions(const KafkaClient& client, const KafkaTopics& topics);
  Status fill(std::span<const Record> outputs, std::span<const std::int32_t> partitions);
  Status enqueue(const Record& record, std::int32_t partition);
  Status add_offsets(const Offsets& consumed, rd_kafka_t* consumer);
  Status finish();
  Status abort(Error reason);

  const KafkaClient& client_;
  const KafkaTopics& topics_;
  Counter committed_;
  Counter aborted_;
  Counter records_;
  Counter bytes_;
  std::optional<Error> undelivered_;  // the first of this transaction
  KafkaCallbacks callbacks_;
  KafkaHandle handle_;
};

}  // namespace millrace
