#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "common/log/kafka_at_least_once.h"
#include "common/log/kafka_cursor.h"
#include "common/log/kafka_fence.h"
#include "common/log/kafka_offsets.h"
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
  Result<Offsets> rewind() override;
  Status seek(const Offsets& offsets) override;
  std::vector<TopicPartition> assignment() const override;
  std::int64_t lag() const override { return cursor_ ? cursor_->lag() : 0; }
  Offsets positions() const override { return cursor_ ? cursor_->positions() : Offsets{}; }
  void wake() override;

 private:
  KafkaSession(const KafkaClient& client, const KafkaTopics& topics, KafkaProducer& producer,
               const SessionOptions& options);
  Status join();
  Status wait_until_joined();
  Status join_group();
  void leave();
  void replace_cursor(std::unique_ptr<KafkaCursor> next);
  void refuse_pending();
  std::set<TopicPartition> of_all_topics(const rd_kafka_topic_partition_list_t& list) const;
  void rebalanced(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& list);
  void follow_choice();
  Status take_pending();
  void let_go(const std::set<TopicPartition>& partitions);
  Result<std::map<TopicPartition, KafkaBounds>> find_starts();
  Result<Offsets> committed(const std::vector<TopicPartition>& partitions);
  Result<Offsets> settle_offsets(const std::vector<TopicPartition>& partitions);
  Status stay_member();
  void be_fenced();
  Status renew_transactions();

  const KafkaClient& client_;
  const KafkaTopics& all_topics_;
  KafkaProducer& producer_;
  const std::string group_;
  const std::vector<std::string> topics_;
  const std::shared_ptr<const PartitionChoice> choice_;  // null: a member of the group
  KafkaFence fence_;
  Counter rebalances_;
  KafkaCallbacks callbacks_;
  KafkaHandle consumer_;
  std::unique_ptr<KafkaTransactions> transactions_;  // exactly once; else null, and
  std::optional<KafkaAtLeastOnce> at_least_once_;
  std::mutex cursor_mutex_;              // for wake(), while cursor_ is replaced
  std::unique_ptr<KafkaCursor> cursor_;  // destroyed before the consumer; null behind fence_
  Offsets resume_;                       // where rewind() goes: what commit() or seek() said last
  Offsets doubtful_;                     // of a transaction whose end is unknown
  Offsets lost_;  // where it stood before what was not stored after all; not told yet
  std::set<TopicPartition> pending_;  // given by the group, not yet read from
  bool answer_due_ = false;           // the group waits to hear that they were taken
  bool joined_ = false;
  bool leaving_ = false;  // what the group gives is refused
};

}  // namespace millrace
