#include "common/log/kafka_transactions.h"

#include <utility>

#include "common/ids.h"
#include "common/log/kafka_records.h"

namespace millrace {

namespace {

constexpr int kQueueFullMs = 100;
constexpr int kFencesMax = 3;

// Calls that may be repeated until they succeed are, for as long as `client` allows.
template <class Call>
KafkaError until_done(const KafkaClient& client, Call call) {
  const auto until = client.clock().now() + 2 * client.options().request_timeout;
  for (;;) {
    KafkaError error{call()};
    if (!error || !rd_kafka_error_is_retriable(error.get())) return error;
    if (client.clock().now() > until) return error;
  }
}

bool is_fence(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

bool is_purge(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

Counter outcomes(const KafkaClient& client, const char* outcome) {
  return client.metrics().counter("kafka_transactions_total", "Transactions that ended",
                                  {{"outcome", outcome}});
}

}  // namespace

KafkaTransactions::KafkaTransactions(const KafkaClient& client, const KafkaTopics& topics,
                                     std::string id)
    : client_(client),
      topics_(topics),
      committed_(outcomes(client, "committed")),
      aborted_(outcomes(client, "aborted")),
      records_(client.metrics().counter("log_append_records_total", "Records appended to the log",
                                        {{"lane", "kafka"}})),
      bytes_(client.metrics().counter("log_append_bytes_total",
                                      "Bytes of keys, values and headers appended",
                                      {{"lane", "kafka"}})),
      id_(std::move(id)) {
  callbacks_.delivered = [this](const rd_kafka_message_t& message) {
    if (undelivered_) return;
    const std::string doing = std::string{"append to "} + rd_kafka_topic_name(message.rkt);
    if (is_purge(message.err)) {
      purged_ = true;
    } else if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      client_.health().count(message.err);
      undelivered_ = kafka_error(doing, message.err);
    } else if (message.offset < 0) {
      undelivered_ = stored_or_not(doing);
    }
  };
}

Result<std::unique_ptr<KafkaTransactions>> KafkaTransactions::open(const KafkaClient& client,
                                                                   const KafkaTopics& topics,
                                                                   const std::string& group) {
  const std::string& instance = client.options().instance;
  std::unique_ptr<KafkaTransactions> made{new KafkaTransactions{
      client, topics,
      client.outside(group) + "." + (instance.empty() ? new_ulid(client.clock()) : instance)}};
  if (Status begun = made->begin(); !begun) return begun.error();
  return made;
}

Status KafkaTransactions::begin() {
  const std::string timeout = std::to_string(client_.options().transaction_timeout.count());
  const std::vector<KafkaClient::Setting> settings{
      {"transactional.id", id_},
      {"transaction.timeout.ms", timeout},
      {"delivery.timeout.ms", timeout},
      kOneInFlight,
      {"linger.ms", "5"},  // a commit sends what is queued without waiting for it
  };
  auto handle = client_.make(RD_KAFKA_PRODUCER, settings, callbacks_);
  if (!handle) return handle.error();
  handle_ = std::move(*handle);
  const KafkaError failed = until_done(
      client_, [&] { return rd_kafka_init_transactions(handle_.get(), client_.timeout_ms()); });
  if (failed) return to_error("begin as the transactional producer " + id_, failed.get());
  return {};
}

Error KafkaTransactions::to_error(std::string_view doing, const rd_kafka_error_t* error) const {
  client_.health().count(rd_kafka_error_code(error));
  return kafka_error(doing, rd_kafka_error_code(error), rd_kafka_error_string(error));
}

Status KafkaTransactions::renew() {
  char reason[256];
  if (handle_ && is_fence(rd_kafka_fatal_error(handle_.get(), reason, sizeof reason))) ++fences_;
  if (fences_ > kFencesMax && !client_.options().instance.empty()) {
    return kafka_error("the transactional producer " + id_, RD_KAFKA_RESP_ERR__FENCED);
  }
  handle_.reset();  // what is still queued goes with it
  if (Status begun = begin(); !begun) return begun;
  is_broken_ = false;
  return {};
}

Status KafkaTransactions::commit(std::span<const Record> outputs, const Offsets& consumed,
                                 rd_kafka_t* consumer) {
  if (is_broken_) return unavailable("the transactional producer " + id_ + " has to be renewed");
  std::vector<std::int32_t> partitions;
  for (const Record& each : outputs) {
    const auto partition = route(topics_, each);
    if (!partition) return partition.error();
    partitions.push_back(*partition);
  }
  undelivered_.reset();
  purged_ = false;
  if (const KafkaError failed{rd_kafka_begin_transaction(handle_.get())}) {
    return broken(to_error("begin a transaction", failed.get()));
  }
  if (Status filled = fill(outputs, partitions); !filled) return abort(filled.error());
  if (Status added = add_offsets(consumed, consumer); !added) return abort(added.error());
  if (purged_) return abort(kafka_error("append", RD_KAFKA_RESP_ERR__PURGE_QUEUE));
  Status done = finish();
  if (!done) return done;
  fences_ = 0;
  committed_.add();
  for (const Record& each : outputs) bytes_.add(static_cast<double>(each.bytes()));
  records_.add(static_cast<double>(outputs.size()));
  return done;
}

Status KafkaTransactions::clear_offsets(const TopicPartition& any, rd_kafka_t* consumer) {
  if (is_broken_) return unavailable("the transactional producer " + id_ + " has to be renewed");
  if (const KafkaError failed{rd_kafka_begin_transaction(handle_.get())}) {
    return broken(to_error("begin a transaction", failed.get()));
  }
  const Status added = add_offsets({{any, 0}}, consumer);
  const Status aborted = abort(added ? unavailable("aborted on purpose") : added.error());
  return added && !is_broken_ ? Status{} : aborted;
}

Status KafkaTransactions::fill(std::span<const Record> outputs,
                               std::span<const std::int32_t> partitions) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (Status queued = enqueue(outputs[i], partitions[i]); !queued) return queued;
  }
  // Every delivery report before the commit: not all that is wrong keeps librdkafka from
  // committing.
  const auto code = rd_kafka_flush(handle_.get(), client_.timeout_ms());
  if (undelivered_) return *undelivered_;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error("append", code);
  return {};
}

Status KafkaTransactions::enqueue(const Record& record, std::int32_t partition) {
  const auto until = client_.clock().now() + client_.options().request_timeout;
  for (;;) {
    const auto code = produce(client_, handle_.get(), record, partition, nullptr);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || client_.clock().now() > until) {
      return kafka_error("append to " + record.topic, code);
    }
    rd_kafka_poll(handle_.get(), kQueueFullMs);
  }
}

Status KafkaTransactions::add_offsets(const Offsets& consumed, rd_kafka_t* consumer) {
  if (consumed.empty()) return {};
  const KafkaPartitions offsets = to_kafka(client_, consumed);
  const Kafka<rd_kafka_consumer_group_metadata_t> group{rd_kafka_consumer_group_metadata(consumer)};
  const KafkaError failed = until_done(client_, [&] {
    return rd_kafka_send_offsets_to_transaction(handle_.get(), offsets.get(), group.get(),
                                                client_.timeout_ms());
  });
  if (!failed) return {};
  Error error = to_error("commit offsets", failed.get());
  // The group has moved on without this member: it joins anew when it polls.
  if (!rd_kafka_error_is_fatal(failed.get())) error.kind = Error::Kind::unavailable;
  return error;
}

Status KafkaTransactions::finish() {
  const KafkaError failed = until_done(
      client_, [&] { return rd_kafka_commit_transaction(handle_.get(), client_.timeout_ms()); });
  if (!failed) return {};
  Error error = to_error("commit", failed.get());
  if (!rd_kafka_error_txn_requires_abort(failed.get())) return broken(std::move(error));
  return abort(undelivered_ ? std::move(*undelivered_) : std::move(error));
}

// `reason` is what commit() answers.
Status KafkaTransactions::abort(Error reason) {
  aborted_.add();
  char fatal_reason[256];
  if (rd_kafka_fatal_error(handle_.get(), fatal_reason, sizeof fatal_reason) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return broken(std::move(reason));
  }
  const KafkaError failed = until_done(
      client_, [&] { return rd_kafka_abort_transaction(handle_.get(), client_.timeout_ms()); });
  return failed ? broken(std::move(reason)) : Status{std::move(reason)};
}

Status KafkaTransactions::broken(Error reason) {
  is_broken_ = true;
  reason.kind = Error::Kind::unavailable;
  return reason;
}

}  // namespace millrace
