#include "tests/bench/bench_kafka_chains.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/log/kafka_log.h"
#include "common/log/segmented.h"
#include "common/metrics.h"
#include "schemas/topics.h"
#include "tests/bench/bench_kafka_raw.h"
#include "workers/runtime/runner.h"

namespace millrace {
namespace {

using std::chrono::steady_clock;

constexpr std::int32_t kPartitions = 4;
constexpr std::size_t kBatchBytes = 16U << 20U;
constexpr std::chrono::milliseconds kLook{2};  // between looks at what is done
constexpr int kHops = 4;                       // a question's: queries, searches, passages, answers
constexpr int kQuestions = 500;
constexpr int kWarmUp = 100;
constexpr int kWaitMs = 10'000;

struct Workload {
  const char* name;
  std::size_t bytes;
  std::size_t records;
  std::size_t batch_records;  // of the runner and of the bare loop
};
// With the default batch a small record's cost is that of its transaction; with the large one it is
// its own.
constexpr Workload kWorkloads[] = {{"1kib", 1024, 60'000, 256},
                                   {"1kib-batch2048", 1024, 200'000, 2'048},
                                   {"32kib", 32 * 1024, 4'000, 256}};

std::string numbered(const std::string& name, int number) {
  return name + "." + std::to_string(number);
}

// A prefix of its own, and what is to be copied in its first topic.
class Installation {
 public:
  explicit Installation(const std::string& brokers) : raw_{brokers} {
    KafkaLogOptions options;
    options.brokers = brokers;
    options.prefix = prefix_;
    auto opened = open_kafka_log(options, system_clock(), metrics_);
    if (!opened) fail(opened.error().message);
    base_ = std::move(*opened);
    log_ = make_segmented_log(*base_);
  }

  const RawKafka& raw() const { return raw_; }
  Log& log() { return *log_; }
  MetricsRegistry& metrics() { return metrics_; }
  std::string outside(const std::string& topic) const { return prefix_ + topic; }

  void make_topics(const std::vector<std::string>& names) {
    std::vector<TopicSpec> topics{{.name = std::string{topics::kDeadLetters}, .partitions = 1}};
    for (const std::string& each : names) {
      topics.push_back({.name = each, .partitions = kPartitions});
    }
    if (Status made = log_->create_topics(topics); !made) fail(made.error().message);
  }

  void remove_topics(std::vector<std::string> names) const {
    for (std::string& each : names) each = outside(each);
    raw_.remove_topics(names);
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

 private:
  const RawKafka raw_;
  const std::string prefix_ = new_ulid(system_clock()) + ".";
  MetricsRegistry metrics_;
  std::unique_ptr<Log> base_;
  std::unique_ptr<Log> log_;
};

// What a copying stage has done, told from its runner's thread.
class Copied {
 public:
  void add(std::span<const Record> batch) {
    const std::lock_guard lock{mutex_};
    if (records_ == 0) began_ = steady_clock::now();
    for (const Record& each : batch) next_[{each.topic, each.partition}] = each.offset + 1;
    records_ += batch.size();
  }
  std::size_t records() const {
    const std::lock_guard lock{mutex_};
    return records_;
  }
  steady_clock::time_point began() const {
    const std::lock_guard lock{mutex_};
    return began_;
  }
  Offsets next() const {
    const std::lock_guard lock{mutex_};
    return next_;
  }

 private:
  mutable std::mutex mutex_;
  std::size_t records_ = 0;
  steady_clock::time_point began_;  // when the first batch came
  Offsets next_;
};

class Copy : public Stage {
 public:
  Copy(std::string to, Copied& copied) : to_{std::move(to)}, copied_{copied} {}
  std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
    copied_.add(batch);
    std::vector<Result<Outputs>> results;
    for (const Record& each : batch) {
      Record copy;
      copy.topic = to_;
      copy.key = each.key;
      copy.value = each.value;
      results.emplace_back(Outputs{std::move(copy)});
    }
    return results;
  }

 private:
  const std::string to_;
  Copied& copied_;
};

// Records per second from the first batch of the first stage to the last commit of the last one:
// neither joining nor leaving the groups counts.
double bare_chain(Installation& in, const std::vector<std::string>& topics, const Workload& load) {
  std::vector<std::future<RawKafka::Stretch>> loops;
  for (std::size_t i = 0; i + 1 < topics.size(); ++i) {
    loops.push_back(std::async(std::launch::async, [&, i] {
      return in.raw().transactional_loop(in.outside(topics[i]), in.outside(topics[i + 1]),
                                         load.records, load.batch_records);
    }));
  }
  std::vector<RawKafka::Stretch> stretches;
  for (auto& each : loops) stretches.push_back(each.get());
  const std::chrono::duration<double> took = stretches.back().ended - stretches.front().began;
  return static_cast<double>(load.records) / took.count();
}

// The stage's offsets are committed as far as it has come.
bool is_committed(const Log& log, const std::string& stage, const Offsets& next) {
  for (const auto& [partition, offset] : next) {
    const auto committed = log.committed(stage, partition);
    if (!committed) fail(committed.error().message);
    if (committed->value_or(0) < offset) return false;
  }
  return true;
}

double our_chain(Installation& in, const std::vector<std::string>& topics, const Workload& load) {
  std::vector<std::unique_ptr<Runner>> runners;
  std::vector<Copied> copied(topics.size() - 1);
  for (std::size_t i = 0; i < copied.size(); ++i) {
    RunnerOptions options;
    options.stage = "ours." + topics[i + 1];
    options.inputs = {topics[i]};
    options.outputs = {topics[i + 1]};
    options.poll_records_max = load.batch_records;
    options.poll_bytes_max = kBatchBytes;
    runners.push_back(std::make_unique<Runner>(in.log(), system_clock(), in.metrics(),
                                               std::make_unique<Copy>(topics[i + 1], copied[i]),
                                               options));
  }
  std::vector<std::future<Status>> starting;
  for (const auto& each : runners) {
    starting.push_back(std::async(std::launch::async, [&each] {
      return each->start([](const Error& error) { fail(error.message); });
    }));
  }
  for (auto& each : starting) {
    if (const Status started = each.get(); !started) fail(started.error().message);
  }
  while (copied.back().records() < load.records) std::this_thread::sleep_for(kLook);
  while (!is_committed(in.log(), "ours." + topics.back(), copied.back().next())) {
    std::this_thread::sleep_for(kLook);
  }
  const double seconds = seconds_since(copied.front().began());
  for (const auto& each : runners) each->stop();
  return static_cast<double>(load.records) / seconds;
}

// Into new topics, which are gone afterwards.
double time_chain(Installation& in,
                  double (*chain)(Installation&, const std::vector<std::string>&, const Workload&),
                  const std::string& source, int stages, const Workload& load) {
  const std::string run = new_ulid(system_clock());
  std::vector<std::string> topics;
  for (int i = 1; i <= stages; ++i) topics.push_back(numbered(run, i));
  in.make_topics(topics);
  std::vector<std::string> all{source};
  all.insert(all.end(), topics.begin(), topics.end());
  const double rate = chain(in, all, load);
  in.remove_topics(topics);
  return rate;
}

// Consumes and produces, nothing more.
void forward(const RawKafka& raw, const std::string& from, const std::string& to,
             const std::atomic<bool>& stop) {
  const RawHandle consumer = raw.make_subscriber("bare." + to, from);
  const RawHandle producer = raw.make_idempotent();
  while (!stop) {
    const Raw<rd_kafka_message_t> message{rd_kafka_consumer_poll(consumer.get(), 100)};
    if (!message) continue;
    pass_on(producer.get(), to, *message);
    rd_kafka_poll(producer.get(), 0);
  }
  rd_kafka_flush(producer.get(), kWaitMs);
  rd_kafka_consumer_close(consumer.get());
}

// Milliseconds of one record after the other, in order of length.
std::vector<double> time_hops(const RawKafka& raw, const std::string& first,
                              const std::string& last) {
  const RawHandle producer = raw.make_idempotent();
  const RawHandle consumer = raw.make_subscriber("bare.last", last);
  const std::string question(1024, 'q');
  std::vector<double> times;
  for (int i = 0; i < kWarmUp + kQuestions; ++i) {
    const auto began = steady_clock::now();
    rd_kafka_producev(
        producer.get(), RD_KAFKA_V_TOPIC(first.c_str()), RD_KAFKA_V_PARTITION(i % kPartitions),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(question.data()), question.size()), RD_KAFKA_V_END);
    rd_kafka_poll(producer.get(), 0);
    Raw<rd_kafka_message_t> answer;
    while (!answer || answer->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      answer.reset(rd_kafka_consumer_poll(consumer.get(), kWaitMs));
      if (!answer) fail("a record was lost between the hops");
    }
    if (i >= kWarmUp) times.push_back(1000 * seconds_since(began));
  }
  rd_kafka_consumer_close(consumer.get());
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

std::string bench_chains(const std::string& brokers, std::size_t rounds) {
  Installation in{brokers};
  json::Writer out;
  out.begin_object();
  for (const Workload& load : kWorkloads) {
    const std::string source = std::string{load.name} + ".source";
    in.make_topics({source});
    in.fill(source, load);
    for (const int stages : {1, 3}) {
      out.key(std::string{load.name} + "_" + std::to_string(stages)).begin_array();
      for (std::size_t round = 0; round < rounds; ++round) {
        double rates[2] = {};  // bare, ours: who is first changes
        for (const std::size_t turn : {round % 2, 1 - round % 2}) {
          rates[turn] = time_chain(in, turn == 0 ? bare_chain : our_chain, source, stages, load);
        }
        out.begin_object().field("bare", rates[0]).field("ours", rates[1]).end_object();
      }
      out.end_array();
    }
    in.remove_topics({source});
  }
  out.end_object();
  return out.take();
}

std::string bench_hops(const std::string& brokers) {
  Installation in{brokers};
  std::vector<std::string> topics;
  for (int i = 0; i < kHops; ++i) topics.push_back(numbered("hops", i));
  in.make_topics(topics);
  std::atomic<bool> stop = false;
  std::vector<std::thread> forwarders;
  for (std::size_t i = 0; i + 1 < topics.size(); ++i) {
    forwarders.emplace_back(
        [&, i] { forward(in.raw(), in.outside(topics[i]), in.outside(topics[i + 1]), stop); });
  }
  const std::vector<double> hops =
      time_hops(in.raw(), in.outside(topics.front()), in.outside(topics.back()));
  stop = true;
  for (std::thread& each : forwarders) each.join();
  in.remove_topics(topics);
  json::Writer out;
  out.begin_object()
      .field("p50_ms", hops[hops.size() / 2])
      .field("p99_ms", hops[hops.size() * 99 / 100])
      .end_object();
  return out.take();
}

}  // namespace millrace
