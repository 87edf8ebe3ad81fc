#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "common/log/kafka_topics.h"

namespace millrace {

// The idempotent producer of a log: what all its writers append through, outside of transactions
// (KIP-98 without the transactions: stored once and in order, whatever is retried). Several
// handles, each for its share of every topic's partitions: a handle has one request in flight at a
// broker, and what goes to the partitions of one search should not wait for one another. Owns the
// threads that handlers are called from. Thread-safe. Ends when everything appended is stored or
// has failed.
class KafkaProducer {
 public:
  static Result<std::unique_ptr<KafkaProducer>> open(const KafkaClient& client,
                                                     const KafkaTopics& topics);
  ~KafkaProducer();
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  void append_async(std::vector<Record> records, AppendHandler done);  // LogWriter's
  // Makes the handles but handle() learn of the topic, so that no first record has to wait for
  // that.
  Status introduce(std::string_view topic) const;
  rd_kafka_t* handle() const {
    return lanes_.front().handle.get();
  }  // for requests about the cluster

 private:
  KafkaProducer(const KafkaClient& client, const KafkaTopics& topics);
  struct Lane {
    KafkaHandle handle;
    std::jthread thread;  // last: it uses the handle
  };
  void delivered(const rd_kafka_message_t& message);
  Status reserve(std::size_t bytes);

  const KafkaClient& client_;
  const KafkaTopics& topics_;
  Counter records_;
  Counter bytes_;
  KafkaCallbacks callbacks_;
  std::atomic<std::size_t> queued_bytes_{0};  // at most KafkaLogOptions::queue_bytes_max
  std::vector<Lane> lanes_;                   // last: they use the rest
};

}  // namespace millrace
