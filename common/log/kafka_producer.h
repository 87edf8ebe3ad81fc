#pragma once

#include <memory>
#include <thread>

#include "common/log/kafka_topics.h"

namespace millrace {

// An idempotent producer, outside of transactions (KIP-98 without them: stored once, whatever is
// retried). Owns the thread that handlers are called from. Thread-safe. Ends when everything
// appended is stored or has failed.
class KafkaProducer {
 public:
  // What comes after a failed append to the same partition: `kept`, it is not stored before that is
  // tried again, at the price of one request at a time; `free`, it may be, and is faster where one
  // append goes to several partitions.
  enum class Order { kept, free };
  static Result<std::unique_ptr<KafkaProducer>> open(const KafkaClient& client,
                                                     const KafkaTopics& topics, Order order);
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
