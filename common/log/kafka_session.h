#pragma once

#include <memory>
#include <optional>
#include <set>

#include "common/log/kafka_admin.h"
#include "common/log/kafka_cursor.h"
#include "common/log/kafka_producer.h"
#include "common/log/kafka_transactions.h"

namespace millrace {

// A member of a group. Joins when it is opened, leaves when it is destroyed: both wait, for the
// group to have settled, at most as long as a request may take.
class KafkaSession final : public LogSession {
 public:
  static Result<std::unique_ptr<KafkaSession>> open(const KafkaClient& client, KafkaTopics& topics,
                                                    KafkaProducer& producer,
                                                    const SessionOptions& options);
  ~KafkaSession() override;

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override;
  Status commit(std::span<const Record> outputs, const Offsets& consumed) override;
  Status rewind() override;
  Status seek(const Offsets& offsets) override;
  std::vector<TopicPartition> assignment() const override;
  std::int64_t lag() const override { return cursor_->lag(); }
  Offsets positions() const override { return cursor_->positions(); }
  void wake() override { cursor_->wake(); }

 private:
  KafkaSession(const KafkaClient& client, KafkaProducer& producer, const SessionOptions& options);
  Status join();
  Status wait_until_joined();
  void leave();
  void refuse_pending();
  std::set<TopicPartition> of_all_topics(const rd_kafka_topic_partition_list_t& list) const;
  void rebalanced(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& list);
  void revoked(const rd_kafka_topic_partition_list_t& list);
  void follow_choice();
  Status take_pending();
  void let_go(const std::set<TopicPartition>& partitions);
  Result<std::map<TopicPartition, KafkaBounds>> find_starts();
  Status renew_transactions();
  Status send_offsets();
  Status commit_at_least_once(std::span<const Record> outputs, const Offsets& consumed);

  const KafkaClient& client_;
  KafkaProducer& producer_;
  const std::string group_;
  const std::vector<std::string> topics_;
  const std::shared_ptr<const PartitionChoice> choice_;  // null: a member of the group
  Counter rebalances_;
  KafkaCallbacks callbacks_;
  KafkaHandle consumer_;
  std::unique_ptr<KafkaTransactions> transactions_;  // null: at least once
  std::unique_ptr<KafkaCursor> cursor_;              // destroyed before the consumer
  Offsets resume_;    // where rewind() goes: what commit() or seek() said last
  Offsets doubtful_;  // of a transaction whose end is unknown
  Offsets unsent_;    // at least once: processed, and not sent yet
  Offsets sent_;      // and what was committed without waiting
  Clock::Steady offsets_sent_{};
  std::set<TopicPartition> pending_;  // given by the group, not yet read from
  bool answer_due_ = false;           // the group waits to hear that they were taken
  bool joined_ = false;
};

}  // namespace millrace
