#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/log/kafka_topics.h"

namespace millrace {

// A transactional producer: stores records and a group's offsets all or nothing (KIP-98, KIP-447).
// Owned by one thread.
class KafkaTransactions {
 public:
  // Those of a member of `group`. Fences who had the same kafka_instance there before and aborts
  // what it left open. Waits for that.
  static Result<std::unique_ptr<KafkaTransactions>> open(const KafkaClient& client,
                                                         const KafkaTopics& topics,
                                                         const std::string& group);

  // `rejected`: the log will never take these records. `unavailable`: it was not stored, also where
  // the group has given the partitions of `consumer` to another member; or, when is_broken() then,
  // nobody knows.
  Status commit(std::span<const Record> outputs, const Offsets& consumed, rd_kafka_t* consumer);

  // Ends what earlier transactions of this id have left pending of the group's offsets, by aborting
  // one that touches them.
  Status clear_offsets(const TopicPartition& any, rd_kafka_t* consumer);

  // The producer is of no more use: a coordinator that stood still has expired its transaction, a
  // right is missing, the end of a commit is unknown. renew() takes another one of the same id:
  // when it is done, the last transaction was stored or was not, and never will be. `fatal` when
  // the producers of a kafka_instance are fenced again and again: there are two processes of that
  // name.
  bool is_broken() const { return is_broken_; }
  Status renew();

 private:
  KafkaTransactions(const KafkaClient& client, const KafkaTopics& topics, std::string id);
  Status begin();
  Error to_error(std::string_view doing, const rd_kafka_error_t* error) const;
  Status fill(std::span<const Record> outputs, std::span<const std::int32_t> partitions);
  Status enqueue(const Record& record, std::int32_t partition);
  Status add_offsets(const Offsets& consumed, rd_kafka_t* consumer);
  Status finish();
  Status abort(Error reason);
  Status broken(Error reason);

  const KafkaClient& client_;
  const KafkaTopics& topics_;
  Counter committed_;
  Counter aborted_;
  Counter records_;
  Counter bytes_;
  const std::string id_;
  bool is_broken_ = false;
  int fences_ = 0;                    // of producers in a row that committed nothing between
  std::optional<Error> undelivered_;  // the first of this transaction
  bool purged_ = false;               // records were given up for what the next call will say
  KafkaCallbacks callbacks_;
  KafkaHandle handle_;
};

}  // namespace millrace
