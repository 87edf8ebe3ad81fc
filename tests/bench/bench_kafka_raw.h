#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

[[noreturn]] void fail(const std::string& message);
double seconds_since(std::chrono::steady_clock::time_point began);

struct RawDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
template <class T>
using Raw = std::unique_ptr<T, RawDeleter>;
using RawHandle = Raw<rd_kafka_t>;

// librdkafka with nothing of millrace: what anybody would write with it alone. The reference of the
// rows of `make bench`. Whatever fails ends the process. Thread-safe.
class RawKafka {
 public:
  using Settings = std::vector<std::pair<const char*, std::string>>;
  explicit RawKafka(std::string brokers) : brokers_{std::move(brokers)} {}

  using Rebalanced = void (*)(rd_kafka_t*, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*,
                              void*);
  // librdkafka assigns by itself unless `rebalanced` does.
  RawHandle make(rd_kafka_type_t type, const Settings& settings,
                 Rebalanced rebalanced = nullptr) const;
  RawHandle make_consumer(const std::string& group, const Settings& more = {},
                          Rebalanced rebalanced = nullptr) const;
  RawHandle make_subscriber(const std::string& group, const std::string& topic) const;
  RawHandle make_idempotent() const;
  void remove_topics(const std::vector<std::string>& names) const;

  // From the first batch that came to the last commit.
  struct Stretch {
    std::chrono::steady_clock::time_point began;
    std::chrono::steady_clock::time_point ended;
  };
  // Consumes a batch, produces it, sends the offsets, commits the transaction, until `count`
  // records have gone from one topic to the other.
  Stretch transactional_loop(const std::string& from, const std::string& to, std::size_t count,
                             std::size_t batch_records) const;

  struct Topic {
    std::size_t records = 0;
    std::size_t bytes = 0;
    double seconds = 0;
  };
  // Reads all partitions from their beginning to their end, without a group.
  Topic read_all(const std::string& topic, int partitions) const;

 private:
  const std::string brokers_;
};

void subscribe(rd_kafka_t* consumer, const std::string& topic);
// Into the same partition; false for what is not a record.
bool pass_on(rd_kafka_t* producer, const std::string& to, const rd_kafka_message_t& message);

}  // namespace millrace
