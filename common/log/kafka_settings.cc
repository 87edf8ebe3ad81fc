#include "common/log/kafka_settings.h"

#include <algorithm>

#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::chrono::milliseconds kPauseMin{250};
constexpr std::chrono::milliseconds kPauseMax{5'000};

std::chrono::milliseconds duration(const Config& config, std::string_view name) {
  return std::chrono::milliseconds{config.integer(name)};
}

// Says the first reason, and each new one.
class Waiting {
 public:
  explicit Waiting(std::string brokers) : brokers_{std::move(brokers)} {}

  // False: asked to stop.
  bool pause(const Error& reason, StopSignal& stop) {
    if (reason.message != said_) {
      said_ = reason.message;
      log_event(LogLevel::warning, "waiting_for_kafka",
                {{"brokers", brokers_}, {"reason", reason.message}});
    }
    const bool stopped = stop.wait_for(pause_);
    pause_ = std::min(2 * pause_, kPauseMax);
    return !stopped;
  }

 private:
  const std::string brokers_;
  std::string said_;
  std::chrono::milliseconds pause_ = kPauseMin;
};

// What is not there yet is `unavailable`: all processes of an installation may start at once.
Status check_topics(const Log& log, std::span<const TopicSpec> topics) {
  for (const TopicSpec& each : topics) {
    const auto partitions = log.partitions(each.name);
    if (!partitions) return unavailable(partitions.error().message);
    if (*partitions == each.partitions) continue;
    return rejected("the topic " + each.name + " has " + std::to_string(*partitions) +
                    " partitions in the cluster, but partitions is set to " +
                    std::to_string(each.partitions) +
                    "; `millrace topics describe` shows what differs");
  }
  return {};
}

}  // namespace

KafkaLogOptions kafka_options(const Config& config) {
  KafkaLogOptions options;
  options.brokers = config.text("brokers");
  options.prefix = config.text("kafka_prefix");
  options.instance = config.text("kafka_instance");
  options.security_protocol = config.text("kafka_security_protocol");
  options.sasl_mechanism = config.text("kafka_sasl_mechanism");
  options.sasl_username = config.text("kafka_sasl_username");
  options.sasl_password = config.text("kafka_sasl_password");
  options.tls_ca_file = config.text("kafka_tls_ca_file");
  options.tls_certificate_file = config.text("kafka_tls_certificate_file");
  options.tls_key_file = config.text("kafka_tls_key_file");
  options.replication = static_cast<std::int32_t>(config.integer("kafka_replication"));
  options.session_timeout = duration(config, "kafka_session_timeout_ms");
  options.transaction_timeout = duration(config, "kafka_transaction_timeout_ms");
  options.request_timeout = duration(config, "kafka_request_timeout_ms");
  options.queue_bytes_max = static_cast<std::size_t>(config.integer("log_queue_bytes_max"));
  return options;
}

Result<std::unique_ptr<Log>> wait_for_kafka(const KafkaLogOptions& options,
                                            std::span<const TopicSpec> topics, const Clock& clock,
                                            MetricsRegistry& metrics, StopSignal& stop) {
  if (options.brokers.empty()) {
    return rejected("brokers: where is Kafka? Say --brokers HOST:PORT[,HOST:PORT…]");
  }
  Waiting waiting{options.brokers};
  std::unique_ptr<Log> log;
  for (;;) {
    Status there;
    if (!log) {
      auto opened = open_kafka_log(options, clock, metrics);
      if (opened) {
        log = std::move(*opened);
      } else {
        there = opened.error();
      }
    }
    if (log) there = check_topics(*log, topics);
    if (there) return log;
    if (there.error().kind != Error::Kind::unavailable) return there.error();
    if (!waiting.pause(there.error(), stop)) return std::unique_ptr<Log>{};
  }
}

}  // namespace millrace
