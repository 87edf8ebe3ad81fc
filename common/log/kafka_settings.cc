#include "common/log/kafka_settings.h"

#include <algorithm>

#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::string_view kCondition = "log";  // of the readiness
constexpr std::chrono::milliseconds kPauseMin{250};
constexpr std::chrono::milliseconds kPauseMax{5'000};

std::chrono::milliseconds duration(const Config& config, std::string_view name) {
  return std::chrono::milliseconds{config.integer(name)};
}

void add(std::string& list, std::string_view item) {
  list.append(list.empty() ? "" : ", ").append(item);
}

// What is not there yet is `unavailable`: all processes of an installation may start at once.
Status check_topics(const Log& log, std::span<const TopicSpec> topics) {
  std::string missing;
  std::string different;
  for (const TopicSpec& each : topics) {
    const auto partitions = log.partitions(each.name);
    if (!partitions && partitions.error().kind != Error::Kind::rejected) return partitions.error();
    if (!partitions) {
      add(missing, each.name);
    } else if (*partitions != each.partitions) {
      add(different, each.name + " has " + std::to_string(*partitions) + " and should have " +
                         std::to_string(each.partitions));
    }
  }
  if (!different.empty()) {
    return rejected("topics have other partitions than the setting partitions gives them: " +
                    different + "; `millrace topics describe` shows what differs");
  }
  if (!missing.empty()) {
    return unavailable("the cluster has no topic " + missing +
                       "; `millrace topics create` makes what is missing");
  }
  return {};
}

}  // namespace

KafkaWait::KafkaWait(std::string brokers, Readiness& readiness, StopSignal& stop)
    : brokers_{std::move(brokers)}, readiness_{readiness}, stop_{stop}, pause_{kPauseMin} {
  readiness_.set(kCondition, false, "waiting for Kafka at " + brokers_);
}

bool KafkaWait::pause(const Error& reason) {
  if (reason.message != said_) {
    said_ = reason.message;
    readiness_.set(kCondition, false, reason.message);
    log_event(LogLevel::warning, "waiting_for_kafka",
              {{"brokers", brokers_}, {"reason", reason.message}});
  }
  const bool stopped = stop_.wait_for(pause_);
  pause_ = std::min(2 * pause_, kPauseMax);
  return !stopped;
}

Result<bool> KafkaWait::until(const std::function<Status()>& attempt) {
  for (;;) {
    const Status done = attempt();
    if (!done && done.error().kind != Error::Kind::unavailable) return done.error();
    if (!done) {
      if (!pause(done.error())) return false;
      continue;
    }
    if (!said_.empty()) log_event(LogLevel::info, "kafka_found", {{"brokers", brokers_}});
    said_.clear();
    pause_ = kPauseMin;
    readiness_.set(kCondition, true);
    return true;
  }
}

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
  options.erase_within = duration(config, "erase_within_ms");
  options.queue_bytes_max = static_cast<std::size_t>(config.integer("log_queue_bytes_max"));
  return options;
}

Result<std::unique_ptr<Log>> wait_for_kafka(const KafkaLogOptions& options,
                                            std::span<const TopicSpec> topics, const Clock& clock,
                                            MetricsRegistry& metrics, KafkaWait& wait) {
  if (options.brokers.empty()) {
    return rejected("brokers: where is Kafka? Say --brokers HOST:PORT[,HOST:PORT…]");
  }
  bool stopped = false;
  auto log = open_kafka_log(options, clock, metrics, [&](const Error& why) {
    stopped = !wait.pause(why);
    return !stopped;
  });
  if (stopped) return std::unique_ptr<Log>{};
  if (!log) return log;
  const Result<bool> there = wait.until([&] { return check_topics(**log, topics); });
  if (!there) return there.error();
  if (!*there) return std::unique_ptr<Log>{};
  return log;
}

}  // namespace millrace
