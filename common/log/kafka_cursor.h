#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "common/log/kafka_client.h"

namespace millrace {

// Positions in partitions and the reading on from them: what sessions and readers share. Reads a
// little ahead of what was asked for, so that one full partition does not hide the others. Owned by
// one thread; wake() is for any.
class KafkaCursor {
 public:
  // The consumer outlives it.
  KafkaCursor(const KafkaClient& client, rd_kafka_t* consumer);

  // As LogSession::poll. Also returns, empty, when a rebalance has come (see interrupt()).
  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait);
  void interrupt() { interrupted_ = true; }  // from the consumer's callbacks
  void wake();

  // Partitions that begin and end to be assigned to the consumer. `end` is where the partition
  // ended then.
  void add(const TopicPartition& partition, Offset position, Offset end);
  void remove(const TopicPartition& partition);
  bool has(const TopicPartition& partition) const { return slots_.contains(partition); }
  Status move(const Offsets& offsets);  // of partitions that it has

  Offsets positions() const;
  std::int64_t lag() const;

 private:
  struct Slot {
    Offset read_to = 0;  // everything before it was taken from the consumer
    Offset end = 0;      // as far as it is known
    std::deque<KafkaMessage> waiting;
    Offset position() const { return waiting.empty() ? read_to : waiting.front()->offset; }
  };
  void read(std::chrono::milliseconds wait);
  void take(KafkaMessage message);
  void take_error(const rd_kafka_message_t& message);
  void forget_waiting(Slot& slot);
  std::vector<Record> hand_out(std::size_t max_records, std::size_t max_bytes);
  Slot* find(const rd_kafka_message_t& message);

  const KafkaClient& client_;
  rd_kafka_t* const consumer_;
  const Kafka<rd_kafka_queue_t> queue_;
  std::map<TopicPartition, Slot> slots_;
  std::size_t waiting_records_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t first_ = 0;  // the partition that is handed out first: each in turn
  std::optional<Error> error_;
  bool interrupted_ = false;
  std::atomic<bool> woken_{false};
};

}  // namespace millrace
