#pragma once

#include <memory>
#include <thread>

#include "common/log/kafka_topics.h"

namespace millrace {

// The idempotent producer of a log: what all its writers append through, outside of transactions
// (KIP-98 without the transactions: stored once and in order, whatever is retried). Owns the thread
// that handlers are called from. Thread-safe. Ends when everything appended is stored or has
// failed.
class KafkaProducer {
 public:
  static Result<std::unique_ptr<KafkaProducer>> open(const KafkaClient& client,
                                                     const KafkaTopics& topics);
  ~KafkaProducer();
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  void append_async(std::vector<Record> records, AppendHandler done);  // LogWriter's
  rd_kafka_t* handle() const { return handle_.get(); }  // also for requests about the cluster

 private:
  KafkaProducer(const KafkaClient& client, const KafkaTopics& topics);
  void delivered(const rd_kafka_message_t& message);
  void serve(const std::stop_token& stop) const;

  const KafkaClient& client_;
  const KafkaTopics& topics_;
  Counter records_;
  Counter bytes_;
  KafkaCallbacks callbacks_;
  KafkaHandle handle_;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace millrace
