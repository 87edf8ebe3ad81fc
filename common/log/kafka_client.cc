#include "common/log/kafka_client.h"

#include <algorithm>
#include <array>
#include <vector>

#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::size_t kReasonBytesMax = 512;

Error::Kind kind_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return Error::Kind::rejected;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
      return Error::Kind::fatal;
    default:  // brokers, leaders, coordinators, rights: what others can mend while we wait
      return Error::Kind::unavailable;
  }
}

bool is_refusal(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

// What a person can do about it.
std::string_view advice(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "; grant this principal Read, Write and Describe on the topics";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "; grant this principal Read on the groups";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "; grant this principal Write and Describe on the transactional ids";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "; grant this principal IdempotentWrite (and Create, to make topics) on the cluster";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return "; check kafka_sasl_mechanism, kafka_sasl_username and kafka_sasl_password";
    case RD_KAFKA_RESP_ERR__SSL:
      return "; check kafka_security_protocol and kafka_tls_ca_file";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return "; `millrace topics create` makes the topics that are missing";
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
      return "; another process with the same kafka_instance has taken over, or this one stood "
             "still "
             "for longer than kafka_transaction_timeout_ms";
    default:
      return {};
  }
}

void on_error(rd_kafka_t* handle, int code, const char* reason, void* opaque) {
  auto error = static_cast<rd_kafka_resp_err_t>(code);
  std::array<char, kReasonBytesMax> detail{};
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    error = rd_kafka_fatal_error(handle, detail.data(), detail.size());
    reason = detail.data();
  }
  // What TLS says while something is read, librdkafka tells as a broken connection.
  if (error == RD_KAFKA_RESP_ERR__TRANSPORT &&
      std::string_view{reason}.find("SSL routines") != std::string_view::npos) {
    error = RD_KAFKA_RESP_ERR__SSL;
  }
  static_cast<KafkaCallbacks*>(opaque)->health->failed(error, reason);
}

// Left out: what on_error() or who asked is told as well, retries, and notes on the settings below.
void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* line) {
  constexpr int kWarning = 4;  // of syslog
  constexpr std::string_view kLeftOut[] = {"FAIL",     "GETPID", "CONFWARN", "SESSTMOUT",
                                           "REQTMOUT", "TXNERR", "FATAL",    "ADDPARTS"};
  if (level > kWarning || std::ranges::find(kLeftOut, facility) != std::end(kLeftOut)) return;
  log_event(LogLevel::warning, "kafka",
            {{"client", rd_kafka_name(handle)}, {"facility", facility}, {"detail", line}});
}

void on_delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  const auto* callbacks = static_cast<KafkaCallbacks*>(opaque);
  callbacks->delivered(*message);
}

void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list,
                  void* opaque) {
  static_cast<KafkaCallbacks*>(opaque)->rebalanced(code, *list);
}

std::vector<KafkaClient::Setting> common_settings(const KafkaLogOptions& options) {
  std::vector<KafkaClient::Setting> all{
      {"bootstrap.servers", options.brokers},
      {"client.id", options.instance.empty() ? "millrace" : "millrace-" + options.instance},
      {"security.protocol", options.security_protocol},
      {"socket.nagle.disable", "true"},
      {"socket.keepalive.enable", "true"},
      {"reconnect.backoff.max.ms", "2000"},
      {"log.connection.close", "false"},
      // A leader that is gone is looked for at once, and again soon.
      {"topic.metadata.refresh.fast.interval.ms", "100"},
  };
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) all.emplace_back(name, value);
  };
  add("sasl.mechanism", options.sasl_mechanism);
  add("sasl.username", options.sasl_username);
  add("sasl.password", options.sasl_password);
  add("ssl.ca.location", options.tls_ca_file.string());
  add("ssl.certificate.location", options.tls_certificate_file.string());
  add("ssl.key.location", options.tls_key_file.string());
  return all;
}

}  // namespace

Error kafka_error(std::string_view doing, rd_kafka_resp_err_t code, std::string_view detail) {
  std::string message{doing};
  message.append(": ").append(detail.empty() ? rd_kafka_err2str(code) : detail);
  message.append(" (").append(rd_kafka_err2name(code)).append(")").append(advice(code));
  // Before, SCRAM sent a nonce that Kafka 4 refuses (librdkafka's pull request 4895).
  constexpr int kScramMended = 0x020601ff;
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && rd_kafka_version() < kScramMended) {
    message.append("; SCRAM with Kafka 4 needs librdkafka 2.6.1, this is ");
    message.append(rd_kafka_version_str());
  }
  return {kind_of(code), std::move(message)};
}

Status kafka_fatal(std::string_view doing, rd_kafka_t* handle) {
  std::array<char, kReasonBytesMax> reason{};
  const auto code = rd_kafka_fatal_error(handle, reason.data(), reason.size());
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Status{} : kafka_error(doing, code, reason.data());
}

KafkaHealth::KafkaHealth(std::string brokers, const Clock& clock, MetricsRegistry& metrics)
    : brokers_(std::move(brokers)),
      clock_(clock),
      metrics_(metrics),
      connected_(metrics.gauge("kafka_connected", "1 while the Kafka cluster answers, else 0")) {}

void KafkaHealth::count(rd_kafka_resp_err_t code) const {
  metrics_
      .counter("kafka_errors_total", "Errors of Kafka and its client",
               {{"code", rd_kafka_err2name(code)}})
      .add();
}

void KafkaHealth::failed(rd_kafka_resp_err_t code, std::string_view reason) {
  count(code);
  if (kind_of(code) == Error::Kind::fatal) return;  // who cannot go on for it says so
  const std::lock_guard lock{mutex_};
  if (has_answered_ && is_refusal(code)) return refused(code, reason);
  is_doubted_ = true;
  // That all are down says less than why one is.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !reason_.empty()) return;
  last_ = code;
  reason_ = reason.substr(0, reason.find(" (after "));  // the time, which always differs
}

// The cluster answers; it does not let us. What needs it asks again and again.
void KafkaHealth::refused(rd_kafka_resp_err_t code, std::string_view reason) {
  constexpr std::chrono::minutes kSayAgain{10};
  const auto [said, is_first] = refusals_.try_emplace(code, clock_.now());
  if (!is_first && clock_.now() - said->second < kSayAgain) return;
  said->second = clock_.now();
  log_event(LogLevel::error, "kafka_refused",
            {{"brokers", brokers_}, {"error", kafka_error(reason, code).message}});
}

void KafkaHealth::answered() {
  const std::lock_guard lock{mutex_};
  if (is_failing_) log_event(LogLevel::info, "kafka_answers", {{"brokers", brokers_}});
  has_answered_ = true;
  is_failing_ = false;
  is_doubted_ = false;
  unanswered_ = 0;
  reason_.clear();
  connected_.set(1);
}

void KafkaHealth::unanswered(rd_kafka_resp_err_t code) {
  constexpr int kOfOneBroker = 1;  // the next question goes to another one
  const Error reason = why(code);
  const std::lock_guard lock{mutex_};
  is_doubted_ = true;
  if (++unanswered_ <= kOfOneBroker || is_failing_) return;
  is_failing_ = true;
  connected_.set(0);
  log_event(LogLevel::error, "kafka_failing", {{"brokers", brokers_}, {"error", reason.message}});
}

Error KafkaHealth::why(rd_kafka_resp_err_t code) const {
  const std::lock_guard lock{mutex_};
  return kafka_error("Kafka at " + brokers_, reason_.empty() ? code : last_, reason_);
}

KafkaClient::KafkaClient(KafkaLogOptions options, const Clock& clock, MetricsRegistry& metrics)
    : options_(std::move(options)),
      clock_(clock),
      metrics_(metrics),
      health_(options_.brokers, clock, metrics) {}

Result<KafkaHandle> KafkaClient::make(rd_kafka_type_t type, std::span<const Setting> settings,
                                      KafkaCallbacks& callbacks) const {
  Kafka<rd_kafka_conf_t> conf{rd_kafka_conf_new()};
  std::array<char, kReasonBytesMax> reason{};
  std::vector<Setting> all = common_settings(options_);
  all.insert(all.end(), settings.begin(), settings.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf.get(), name, value.c_str(), reason.data(), reason.size()) !=
        RD_KAFKA_CONF_OK) {
      return rejected(std::string{"Kafka setting "} + name + ": " + reason.data());
    }
  }
  callbacks.health = &health_;
  rd_kafka_conf_set_opaque(conf.get(), &callbacks);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  if (callbacks.delivered) rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivered);
  if (callbacks.rebalanced) rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  KafkaHandle handle{rd_kafka_new(type, conf.get(), reason.data(), reason.size())};
  if (!handle) return rejected(std::string{"Kafka client: "} + reason.data());
  (void)conf.release();  // the handle's now
  if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle.get());
  return handle;
}

Result<KafkaHandle> KafkaClient::make_consumer(const std::string& group,
                                               std::span<const Setting> settings,
                                               KafkaCallbacks& callbacks) const {
  std::vector<Setting> all{
      {"group.id", outside(group)},          {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"}, {"isolation.level", "read_committed"},
      {"auto.offset.reset", "earliest"},     {"allow.auto.create.topics", "false"},
      {"enable.partition.eof", "true"},  // moves positions over transactions' markers
      {"fetch.wait.max.ms", "100"},          {"fetch.min.bytes", "1"},
      {"fetch.error.backoff.ms", "50"},
  };
  all.insert(all.end(), settings.begin(), settings.end());
  return make(RD_KAFKA_CONSUMER, all, callbacks);
}

KafkaPartitions to_kafka(const KafkaClient& client, const Offsets& offsets) {
  KafkaPartitions list{rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()))};
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), client.outside(partition.topic).c_str(),
                                      partition.partition)
        ->offset = offset;
  }
  return list;
}

}  // namespace millrace
