#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"
#include "common/log/kafka_handles.h"
#include "common/log/kafka_log.h"

namespace millrace {

// What an error of librdkafka is to us; `doing` says on what it happened.
Error kafka_error(std::string_view doing, rd_kafka_resp_err_t code, std::string_view detail = {});
// Of a handle that is of no more use.
Status kafka_fatal(std::string_view doing, rd_kafka_t* handle);

// Whether the cluster answers, for a person and a graph: one log line when it stops and one when it
// goes on, whatever the number of handles. What handles report raises doubts only: it may be of one
// broker, or old. Until the first answer it is whoever opens the log that waits and says what for.
// Thread-safe.
class KafkaHealth {
 public:
  KafkaHealth(std::string brokers, const Clock& clock, MetricsRegistry& metrics);
  void count(rd_kafka_resp_err_t code) const;  // of an error that somebody else will say
  void failed(rd_kafka_resp_err_t code, std::string_view reason);

  // Whether to ask the cluster, soon; and what came of it.
  bool is_doubted() const { return is_doubted_; }
  void answered();
  void unanswered(rd_kafka_resp_err_t code);
  // Why there is no answer: what was reported, else `code`.
  Error why(rd_kafka_resp_err_t code) const;

 private:
  void refused(rd_kafka_resp_err_t code, std::string_view reason);

  const std::string brokers_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
  Gauge connected_;
  std::atomic<bool> is_doubted_{true};
  mutable std::mutex mutex_;
  bool has_answered_ = false;
  bool is_failing_ = false;
  int unanswered_ = 0;                                     // in a row
  rd_kafka_resp_err_t last_ = RD_KAFKA_RESP_ERR_NO_ERROR;  // reported since the last answer
  std::string reason_;
  std::map<rd_kafka_resp_err_t, Clock::Steady> refusals_;  // when each was said last
};

// What a handle calls, on the thread that polls it. Outlives the handle.
struct KafkaCallbacks {
  KafkaHealth* health = nullptr;
  std::function<void(const rd_kafka_message_t&)> delivered;  // producers
  std::function<void(rd_kafka_resp_err_t, const rd_kafka_topic_partition_list_t&)> rebalanced;
};

// Makes handles that have in common: brokers, security, timeouts, logs. Thread-safe.
class KafkaClient {
 public:
  KafkaClient(KafkaLogOptions options, const Clock& clock, MetricsRegistry& metrics);

  using Setting = std::pair<const char*, std::string>;  // name and value, of librdkafka
  Result<KafkaHandle> make(rd_kafka_type_t type, std::span<const Setting> settings,
                           KafkaCallbacks& callbacks) const;
  // A consumer that commits nothing by itself and sees committed records only.
  Result<KafkaHandle> make_consumer(const std::string& group, std::span<const Setting> settings,
                                    KafkaCallbacks& callbacks) const;

  const KafkaLogOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }
  MetricsRegistry& metrics() const { return metrics_; }
  KafkaHealth& health() const { return health_; }
  int timeout_ms() const { return static_cast<int>(options_.request_timeout.count()); }

  std::string outside(std::string_view name) const { return options_.prefix + std::string{name}; }
  std::string inside(std::string_view name) const {  // of a topic that has the prefix
    return std::string{name.substr(options_.prefix.size())};
  }

 private:
  const KafkaLogOptions options_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
  mutable KafkaHealth health_;
};

// Partitions with offsets, by the names that the cluster knows.
KafkaPartitions to_kafka(const KafkaClient& client, const Offsets& offsets);

}  // namespace millrace
