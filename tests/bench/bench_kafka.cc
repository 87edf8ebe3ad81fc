// What millrace adds to librdkafka, on one broker and in one run. Prints one JSON object.
//   bench_kafka BROKERS
// A bare loop is what anybody would write with librdkafka alone: consume a batch, produce it, send
// the offsets, commit the transaction. Ours is the same through the runner with a stage that
// copies.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/log/kafka_log.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "schemas/topics.h"
#include "workers/runtime/runner.h"

namespace millrace {
namespace {

using Settings = std::vector<std::pair<const char*, std::string>>;
using std::chrono::steady_clock;

constexpr std::int32_t kPartitions = 4;
constexpr std::size_t kBatchRecords = 256;  // of the runner and of the bare loop
constexpr int kHops = 4;                    // a question's: queries, searches, passages, answers
constexpr int kQuestions = 500;
constexpr int kWarmUp = 100;
constexpr int kWaitMs = 10'000;

[[noreturn]] void fail(const std::string& message) {
  std::cerr << "bench_kafka: " << message << '\n';
  std::exit(1);
}

struct Workload {
  const char* name;
  std::size_t bytes;
  std::size_t records;
};
constexpr Workload kWorkloads[] = {{"1kib", 1024, 150'000}, {"32kib", 32 * 1024, 10'000}};

class Bench {
 public:
  explicit Bench(const std::string& brokers) : brokers_{brokers} {
    KafkaLogOptions options;
    options.brokers = brokers;
    options.prefix = prefix_;
    auto opened = open_kafka_log(options, system_clock(), metrics_);
    if (!opened) fail(opened.error().message);
    base_ = std::move(*opened);
    log_ = make_segmented_log(*base_);
  }

  std::string run() {
    json::Writer out;
    out.begin_object();
    for (const Workload& each : kWorkloads) {
      for (const int stages : {1, 3}) {
        const std::string name = std::string{each.name} + "_" + std::to_string(stages);
        make_topics(name, stages);
        fill(name + ".0", each);
        const double bare = bare_chain(name, stages, each.records);
        const double ours = our_chain(name, stages, each.records);
        out.key(name).begin_object().field("bare", bare).field("ours", ours).end_object();
      }
    }
    make_topics("hops", kHops);
    const std::vector<double> hops = bare_hops();
    out.field("hops_p50_ms", hops[hops.size() / 2])
        .field("hops_p99_ms", hops[hops.size() * 99 / 100]);
    out.end_object();
    return out.take();
  }

 private:
  // NAME.0 is read; the bare loops write NAME.1 to NAME.stages, the runners the same after "ours.".
  void make_topics(const std::string& name, int stages) {
    std::vector<TopicSpec> topics{{.name = std::string{topics::kDeadLetters}, .partitions = 1}};
    for (int i = 0; i <= stages; ++i) {
      topics.push_back({.name = name + "." + std::to_string(i), .partitions = kPartitions});
      if (i > 0) {
        topics.push_back(
            {.name = "ours." + name + "." + std::to_string(i), .partitions = kPartitions});
      }
    }
    if (Status made = log_->create_topics(topics); !made) fail(made.error().message);
  }

  void fill(const std::string& topic, const Workload& load) {
    const auto writer = log_->open_writer();
    constexpr std::size_t kPerAppend = 500;
    for (std::size_t first = 0; first < load.records; first += kPerAppend) {
      std::vector<Record> records(std::min(kPerAppend, load.records - first));
      for (std::size_t i = 0; i < records.size(); ++i) {
        records[i].topic = topic;
        records[i].key = "key" + std::to_string(first + i);
        records[i].value.assign(load.bytes, static_cast<char>('a' + (first + i) % 26));
      }
      if (const auto stored = writer->append(std::move(records)); !stored) {
        fail(stored.error().message);
      }
    }
  }

  rd_kafka_t* make(rd_kafka_type_t type, const Settings& settings) const {
    char reason[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers_.c_str(), reason, sizeof reason);
    rd_kafka_conf_set(conf, "socket.nagle.disable", "true", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "3", reason, sizeof reason);
    for (const auto& [name, value] : settings) {
      if (rd_kafka_conf_set(conf, name, value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        fail(reason);
      }
    }
    rd_kafka_t* handle = rd_kafka_new(type, conf, reason, sizeof reason);
    if (handle == nullptr) fail(reason);
    if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle);
    return handle;
  }

  rd_kafka_t* make_consumer(const std::string& group, const std::string& topic) const {
    rd_kafka_t* consumer = make(RD_KAFKA_CONSUMER, {{"group.id", prefix_ + group},
                                                    {"enable.auto.commit", "false"},
                                                    {"auto.offset.reset", "earliest"},
                                                    {"isolation.level", "read_committed"},
                                                    {"fetch.wait.max.ms", "100"}});
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, (prefix_ + topic).c_str(), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
  }

  // One stage of the bare chain, until it has passed on everything.
  void bare_loop(const std::string& from, const std::string& to, std::size_t count) const {
    rd_kafka_t* consumer = make_consumer("bare." + to, from);
    rd_kafka_t* producer =
        make(RD_KAFKA_PRODUCER, {{"transactional.id", prefix_ + to}, {"linger.ms", "5"}});
    check(rd_kafka_init_transactions(producer, kWaitMs));
    std::vector<rd_kafka_message_t*> batch(kBatchRecords);
    rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer);
    for (std::size_t done = 0; done < count;) {
      const ssize_t got = rd_kafka_consume_batch_queue(queue, 100, batch.data(), kBatchRecords);
      if (got <= 0) continue;
      check(rd_kafka_begin_transaction(producer));
      for (ssize_t i = 0; i < got; ++i) done += pass_on(producer, to, batch[i]) ? 1 : 0;
      commit(producer, consumer);
      for (ssize_t i = 0; i < got; ++i) rd_kafka_message_destroy(batch[i]);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
  }

  bool pass_on(rd_kafka_t* producer, const std::string& to,
               const rd_kafka_message_t* message) const {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC((prefix_ + to).c_str()),
                             RD_KAFKA_V_PARTITION(message->partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(message->key, message->key_len),
                             RD_KAFKA_V_VALUE(message->payload, message->len),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(producer, 1);
    }
    return true;
  }

  static void check(rd_kafka_error_t* error) {
    if (error != nullptr) fail(rd_kafka_error_string(error));
  }

  static void commit(rd_kafka_t* producer, rd_kafka_t* consumer) {
    rd_kafka_topic_partition_list_t* offsets = nullptr;
    rd_kafka_assignment(consumer, &offsets);
    rd_kafka_position(consumer, offsets);
    rd_kafka_consumer_group_metadata_t* group = rd_kafka_consumer_group_metadata(consumer);
    check(rd_kafka_send_offsets_to_transaction(producer, offsets, group, kWaitMs));
    check(rd_kafka_commit_transaction(producer, kWaitMs));
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
  }

  // Records per second from the first to the last topic.
  double bare_chain(const std::string& name, int stages, std::size_t count) const {
    const auto began = steady_clock::now();
    std::vector<std::thread> loops;
    for (int i = 0; i < stages; ++i) {
      loops.emplace_back([this, name, i, count] {
        bare_loop(name + "." + std::to_string(i), name + "." + std::to_string(i + 1), count);
      });
    }
    for (std::thread& each : loops) each.join();
    return static_cast<double>(count) / seconds_since(began);
  }

  static double seconds_since(steady_clock::time_point began) {
    return std::chrono::duration<double>(steady_clock::now() - began).count();
  }

  class Copy : public Stage {
   public:
    Copy(std::string to, std::atomic<std::size_t>& copied) : to_{std::move(to)}, copied_{copied} {}
    std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
      std::vector<Result<Outputs>> results;
      for (const Record& each : batch) {
        Record copy;
        copy.topic = to_;
        copy.key = each.key;
        copy.value = each.value;
        results.emplace_back(Outputs{std::move(copy)});
      }
      copied_ += batch.size();
      return results;
    }

   private:
    const std::string to_;
    std::atomic<std::size_t>& copied_;
  };

  double our_chain(const std::string& name, int stages, std::size_t count) {
    std::vector<std::unique_ptr<Runner>> runners;
    std::vector<std::atomic<std::size_t>> copied(static_cast<std::size_t>(stages));
    const auto began = steady_clock::now();
    for (int i = 0; i < stages; ++i) {
      RunnerOptions options;
      options.stage = "ours." + name + "." + std::to_string(i);
      options.inputs = {(i == 0 ? "" : "ours.") + name + "." + std::to_string(i)};
      options.outputs = {"ours." + name + "." + std::to_string(i + 1)};
      options.poll_records_max = kBatchRecords;
      options.poll_bytes_max = 16U << 20U;
      runners.push_back(std::make_unique<Runner>(
          *log_, system_clock(), metrics_,
          std::make_unique<Copy>(options.outputs[0], copied[static_cast<std::size_t>(i)]),
          options));
    }
    std::vector<std::thread> starting;
    for (const auto& each : runners) {
      starting.emplace_back([&each] {
        const Status started = each->start([](const Error& error) { fail(error.message); });
        if (!started) fail(started.error().message);
      });
    }
    for (std::thread& each : starting) each.join();
    while (copied.back() < count) std::this_thread::sleep_for(std::chrono::milliseconds{2});
    for (const auto& each : runners) each->stop();  // commits the batch in hand
    return static_cast<double>(count) / seconds_since(began);
  }

  // Milliseconds of one record through forwarders that only consume and produce, in order.
  std::vector<double> bare_hops() {
    std::atomic<bool> stop = false;
    std::vector<std::thread> forwarders;
    for (int i = 0; i + 1 < kHops; ++i) {
      forwarders.emplace_back([this, i, &stop] {
        forward("hops." + std::to_string(i), "hops." + std::to_string(i + 1), stop);
      });
    }
    rd_kafka_t* producer = make_idempotent();
    rd_kafka_t* consumer = make_consumer("bare.last", "hops." + std::to_string(kHops - 1));
    std::string question(1024, 'q');
    std::vector<double> times;
    for (int i = 0; i < kWarmUp + kQuestions; ++i) {
      const auto began = steady_clock::now();
      rd_kafka_producev(producer, RD_KAFKA_V_TOPIC((prefix_ + "hops.0").c_str()),
                        RD_KAFKA_V_PARTITION(i % kPartitions),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_VALUE(question.data(), question.size()), RD_KAFKA_V_END);
      rd_kafka_poll(producer, 0);
      rd_kafka_message_t* answer = nullptr;
      while (answer == nullptr) answer = rd_kafka_consumer_poll(consumer, kWaitMs);
      rd_kafka_message_destroy(answer);
      if (i >= kWarmUp) times.push_back(1000 * seconds_since(began));
    }
    stop = true;
    for (std::thread& each : forwarders) each.join();
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    std::sort(times.begin(), times.end());
    return times;
  }

  rd_kafka_t* make_idempotent() const {
    return make(RD_KAFKA_PRODUCER, {{"enable.idempotence", "true"}, {"linger.ms", "0"}});
  }

  void forward(const std::string& from, const std::string& to,
               const std::atomic<bool>& stop) const {
    rd_kafka_t* consumer = make_consumer("bare." + to, from);
    rd_kafka_t* producer = make_idempotent();
    while (!stop) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
      if (message == nullptr) continue;
      pass_on(producer, to, message);
      rd_kafka_poll(producer, 0);
      rd_kafka_message_destroy(message);
    }
    rd_kafka_flush(producer, kWaitMs);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
  }

  const std::string brokers_;
  const std::string prefix_ = new_ulid(system_clock()) + ".";
  MetricsRegistry metrics_;
  std::unique_ptr<Log> base_;
  std::unique_ptr<Log> log_;
};

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_kafka BROKERS\n";
    return 2;
  }
  millrace::set_log_level("warning");
  std::cout << millrace::Bench{argv[1]}.run() << '\n';
  return 0;
}
