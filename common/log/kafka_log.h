#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"

namespace millrace {

struct KafkaLogOptions {
  std::string brokers;  // HOST:PORT[,HOST:PORT…] to begin with; the cluster tells the others
  // Before every name of a topic, group and transactional id: several installations share a
  // cluster.
  std::string prefix;
  // Names this process among those of its kind, the same after a restart (a pod's name): it gets
  // its partitions back at once, and a transaction that it left open is aborted at once. Two
  // processes with one name fence each other. Empty: a new name each time.
  std::string instance;
  std::string security_protocol = "plaintext";  // or ssl, sasl_plaintext, sasl_ssl
  std::string sasl_mechanism;                   // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
  std::string sasl_username;
  std::string sasl_password;
  std::filesystem::path tls_ca_file;  // empty: the system's authorities
  std::filesystem::path tls_certificate_file;
  std::filesystem::path tls_key_file;
  std::int32_t replication = 0;                       // of topics it makes; 0: what the brokers say
  std::chrono::milliseconds session_timeout{10'000};  // a process silent for so long is dead
  // A transaction left open by a process that died holds back its readers for at most so long.
  std::chrono::milliseconds transaction_timeout{20'000};
  std::chrono::milliseconds request_timeout{30'000};  // of one call to the cluster
  // Within a quarter of it brokers are told to compact what was superseded.
  std::chrono::milliseconds erase_within{std::chrono::hours{48}};
  std::size_t queue_bytes_max = 256U << 20U;  // unfinished appends; further ones are `unavailable`
};

// Apache Kafka 3.x and 4.x through librdkafka. A session is a consumer (cooperative-sticky) and,
// for exactly once, a transactional producer (KIP-98): outputs and offsets commit in one
// transaction, and one whose partitions have gone to another session is refused by its group's
// generation (KIP-447). Sessions of one group may be in any number of processes. Readers and
// sessions see committed records only. `unavailable` while no broker answers or one refuses the
// rights needed; `fatal` when another process with this one's name has taken over.
//
// Opened once the cluster has answered. When it does not within kFirstAnswerMax, `ask_again` is
// told why, may wait, and says whether to go on; without it, or when it says no, that is the error.
// Handlers of appends are called from a thread of the log.
inline constexpr std::chrono::milliseconds kFirstAnswerMax{3'000};
Result<std::unique_ptr<Log>> open_kafka_log(
    KafkaLogOptions options, const Clock& clock, MetricsRegistry& metrics,
    const std::function<bool(const Error&)>& ask_again = {});

// What a topic is like in the cluster beside what its row says; for `millrace topics describe`.
struct KafkaTopicReport {
  std::string name;  // with the prefix
  bool exists = false;
  std::int32_t partitions = 0;
  std::int32_t replication = 0;
  std::vector<std::string>
      differences;  // "partitions is 2, the table says 4"; empty: as it should be
};
Result<std::vector<KafkaTopicReport>> describe_kafka_topics(const KafkaLogOptions& options,
                                                            const std::vector<TopicSpec>& topics);

// Makes what is missing and sets retention and compaction right. `rejected`, before anything is
// changed, where a topic has other partitions: keys would fall elsewhere than their earlier
// records.
Status apply_kafka_topics(const KafkaLogOptions& options, const std::vector<TopicSpec>& topics);

}  // namespace millrace
