#include "tests/bench/bench_kafka_raw.h"

#include <array>
#include <cstdlib>
#include <iostream>

namespace millrace {
namespace {

constexpr int kWaitMs = 10'000;
constexpr int kTurnMs = 100;

void check(rd_kafka_error_t* error) {
  if (error != nullptr) fail(rd_kafka_error_string(error));
}

// The flush makes it faster: offsets that are sent while the coordinator still ends the last
// transaction are refused and, after librdkafka's pause, sent again.
void commit(rd_kafka_t* producer, rd_kafka_t* consumer) {
  if (const auto code = rd_kafka_flush(producer, kWaitMs)) fail(rd_kafka_err2str(code));
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  rd_kafka_assignment(consumer, &assigned);
  const Raw<rd_kafka_topic_partition_list_t> offsets{assigned};
  rd_kafka_position(consumer, offsets.get());
  rd_kafka_consumer_group_metadata_t* group = rd_kafka_consumer_group_metadata(consumer);
  check(rd_kafka_send_offsets_to_transaction(producer, offsets.get(), group, kWaitMs));
  check(rd_kafka_commit_transaction(producer, kWaitMs));
  rd_kafka_consumer_group_metadata_destroy(group);
}

}  // namespace

void fail(const std::string& message) {
  std::cerr << "bench_kafka: " << message << '\n';
  std::_Exit(1);  // other threads may be within librdkafka
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

RawHandle RawKafka::make(rd_kafka_type_t type, const Settings& settings,
                         Rebalanced rebalanced) const {
  std::array<char, 512> reason{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  Settings all{
      {"bootstrap.servers", brokers_}, {"socket.nagle.disable", "true"}, {"log_level", "3"}};
  all.insert(all.end(), settings.begin(), settings.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size()) !=
        RD_KAFKA_CONF_OK) {
      fail(reason.data());
    }
  }
  if (rebalanced != nullptr) rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
  RawHandle handle{rd_kafka_new(type, conf, reason.data(), reason.size())};
  if (!handle) fail(reason.data());
  if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle.get());
  return handle;
}

RawHandle RawKafka::make_consumer(const std::string& group, const Settings& more,
                                  Rebalanced rebalanced) const {
  Settings settings{{"group.id", group},
                    {"enable.auto.commit", "false"},
                    {"auto.offset.reset", "earliest"},
                    {"isolation.level", "read_committed"},
                    {"fetch.wait.max.ms", "100"}};
  settings.insert(settings.end(), more.begin(), more.end());
  return make(RD_KAFKA_CONSUMER, settings, rebalanced);
}

RawHandle RawKafka::make_subscriber(const std::string& group, const std::string& topic) const {
  RawHandle consumer = make_consumer(group);
  subscribe(consumer.get(), topic);
  return consumer;
}

RawHandle RawKafka::make_idempotent() const {
  return make(RD_KAFKA_PRODUCER, {{"enable.idempotence", "true"}, {"linger.ms", "0"}});
}

void RawKafka::remove_topics(const std::vector<std::string>& names) const {
  const RawHandle handle = make(RD_KAFKA_PRODUCER, {});
  const Raw<rd_kafka_queue_t> queue{rd_kafka_queue_new(handle.get())};
  std::vector<rd_kafka_DeleteTopic_t*> topics;
  for (const std::string& each : names) topics.push_back(rd_kafka_DeleteTopic_new(each.c_str()));
  rd_kafka_DeleteTopics(handle.get(), topics.data(), topics.size(), nullptr, queue.get());
  rd_kafka_DeleteTopic_destroy_array(topics.data(), topics.size());
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), kWaitMs);
  if (event == nullptr) fail("topics were not removed in time");
  if (rd_kafka_event_error(event)) fail(rd_kafka_event_error_string(event));
  rd_kafka_event_destroy(event);
}

RawKafka::Stretch RawKafka::transactional_loop(const std::string& from, const std::string& to,
                                               std::size_t count, std::size_t batch_records) const {
  const RawHandle consumer = make_subscriber("bare." + to, from);
  const RawHandle producer =
      make(RD_KAFKA_PRODUCER, {{"transactional.id", "bare." + to}, {"linger.ms", "5"}});
  check(rd_kafka_init_transactions(producer.get(), kWaitMs));
  const Raw<rd_kafka_queue_t> queue{rd_kafka_queue_get_consumer(consumer.get())};
  std::vector<rd_kafka_message_t*> batch(batch_records);
  Stretch stretch;
  for (std::size_t done = 0; done < count;) {
    const ssize_t got =
        rd_kafka_consume_batch_queue(queue.get(), kTurnMs, batch.data(), batch.size());
    if (got <= 0) continue;
    if (done == 0) stretch.began = std::chrono::steady_clock::now();
    check(rd_kafka_begin_transaction(producer.get()));
    for (ssize_t i = 0; i < got; ++i) {
      done += pass_on(producer.get(), to, *batch[static_cast<std::size_t>(i)]) ? 1 : 0;
    }
    commit(producer.get(), consumer.get());
    stretch.ended = std::chrono::steady_clock::now();
    for (ssize_t i = 0; i < got; ++i) rd_kafka_message_destroy(batch[static_cast<std::size_t>(i)]);
  }
  rd_kafka_consumer_close(consumer.get());
  return stretch;
}

RawKafka::Topic RawKafka::read_all(const std::string& topic, int partitions) const {
  const RawHandle consumer = make_consumer("bare.reader", {{"enable.partition.eof", "true"}});
  const Raw<rd_kafka_topic_partition_list_t> all{rd_kafka_topic_partition_list_new(partitions)};
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(all.get(), topic.c_str(), i)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  Topic read;
  const auto began = std::chrono::steady_clock::now();
  rd_kafka_assign(consumer.get(), all.get());
  for (int ended = 0; ended < partitions;) {
    const Raw<rd_kafka_message_t> message{rd_kafka_consumer_poll(consumer.get(), kWaitMs)};
    if (!message) fail("nothing comes from " + topic);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail(topic + ": " + rd_kafka_message_errstr(message.get()));
    } else if (message->payload != nullptr) {
      ++read.records;
      read.bytes += message->len;
    }
  }
  read.seconds = seconds_since(began);
  rd_kafka_consumer_close(consumer.get());
  return read;
}

void subscribe(rd_kafka_t* consumer, const std::string& topic) {
  const Raw<rd_kafka_topic_partition_list_t> topics{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(consumer, topics.get())) fail(rd_kafka_err2str(code));
}

bool pass_on(rd_kafka_t* producer, const std::string& to, const rd_kafka_message_t& message) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  for (;;) {
    const auto code = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(to.c_str()), RD_KAFKA_V_PARTITION(message.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(message.key, message.key_len),
        RD_KAFKA_V_VALUE(message.payload, message.len), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(code));
    rd_kafka_poll(producer, 1);
  }
}

}  // namespace millrace
