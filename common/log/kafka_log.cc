#include "common/log/kafka_log.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "common/log/kafka_offsets.h"
#include "common/log/kafka_producer.h"
#include "common/log/kafka_purge.h"
#include "common/log/kafka_reader.h"
#include "common/log/kafka_session.h"
#include "common/log/kafka_topics.h"

namespace millrace {

namespace {

std::string name_of(const TopicPartition& partition) {
  return partition.topic + ":" + std::to_string(partition.partition);
}

class KafkaWriter final : public LogWriter {
 public:
  explicit KafkaWriter(KafkaProducer& producer) : producer_(producer) {}
  void append_async(std::vector<Record> records, AppendHandler done) override {
    producer_.append_async(std::move(records), std::move(done));
  }

 private:
  KafkaProducer& producer_;
};

class KafkaLog final : public Log {
 public:
  KafkaLog(KafkaLogOptions options, const Clock& clock, MetricsRegistry& metrics)
      : client_(std::move(options), clock, metrics),
        topics_(client_),
        fetcher_(client_),
        purge_(client_, *this) {}

  Status open(const std::function<bool(const Error&)>& ask_again);

  Status create_topics(std::span<const TopicSpec> topics) override {
    return topics_.create(handle(), topics);
  }
  Result<std::vector<std::string>> topics() const override { return topics_.names(handle()); }
  Status delete_topics(std::span<const std::string> names) override {
    return topics_.remove(handle(), names);
  }
  Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) override;
  Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) override;
  std::unique_ptr<LogWriter> open_writer() override {
    return std::make_unique<KafkaWriter>(*producer_);
  }
  Result<std::int32_t> partitions(std::string_view topic) const override {
    if (const auto already = topics_.known(topic)) return *already;
    if (Status known = producer_->introduce(topic); !known) return known.error();
    return topics_.partitions(handle(), topic);  // handle() learns of it, too
  }
  Result<Offset> begin_offset(const TopicPartition& partition) const override;
  Result<Offset> end_offset(const TopicPartition& partition) const override;
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override;
  Result<std::map<TopicPartition, GroupOffsets>> group_offsets(
      std::string_view group, std::span<const TopicPartition> partitions) const override;
  Result<std::optional<Record>> read_at(const Position& position) const override;
  Status trim(const Offsets& before) override {
    return purge_.trim(handle(), *open_writer(), before);
  }
  Result<Offsets> begin_purge(std::span<const std::string> topics) override {
    return purge_.begin(*open_writer(), topics);
  }
  Result<bool> purge(const Offsets& begun) override { return purge_.done(*open_writer(), begun); }

 private:
  rd_kafka_resp_err_t ask(std::chrono::milliseconds wait) const;  // anything
  void watch(const std::stop_token& stop) const;
  Status check(const TopicPartition& partition) const;
  Result<Offset> offset(const TopicPartition& partition, Offset which) const;
  rd_kafka_t* handle() const { return producer_->handle(); }

  const KafkaClient client_;
  mutable KafkaTopics topics_;
  std::unique_ptr<KafkaProducer> producer_;
  mutable KafkaFetcher fetcher_;
  KafkaPurge purge_;
  std::jthread watcher_;  // last: it uses the rest
};

// The first answer of the cluster also warms the producer up: it fetches its id meanwhile.
Status KafkaLog::open(const std::function<bool(const Error&)>& ask_again) {
  auto producer = KafkaProducer::open(client_, topics_);
  if (!producer) return producer.error();
  producer_ = std::move(*producer);
  for (;;) {
    const auto code = ask(kFirstAnswerMax);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    Error why = client_.health().why(code);
    if (!ask_again || !ask_again(why)) return why;
  }
  client_.health().answered();
  watcher_ = std::jthread{[this](const std::stop_token& stop) { watch(stop); }};
  return {};
}

rd_kafka_resp_err_t KafkaLog::ask(std::chrono::milliseconds wait) const {
  const rd_kafka_metadata_t* answer = nullptr;
  constexpr int kOwnTopicsOnly = 0;
  const auto code =
      rd_kafka_metadata(handle(), kOwnTopicsOnly, nullptr, &answer, static_cast<int>(wait.count()));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_metadata_destroy(answer);
  return code;
}

// Asks from time to time, and soon where there are doubts.
void KafkaLog::watch(const std::stop_token& stop) const {
  constexpr std::chrono::seconds kTurnTime{1};
  constexpr int kTurnsPerQuestion = 10;
  constexpr std::chrono::milliseconds kWait{2'000};
  for (int turn = 1; client_.clock().sleep_for(kTurnTime, stop); ++turn) {
    if (turn % kTurnsPerQuestion != 0 && !client_.health().is_doubted()) continue;
    const auto code = ask(kWait);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      client_.health().answered();
    } else {
      client_.health().unanswered(code);
    }
  }
}

Result<std::unique_ptr<LogSession>> KafkaLog::open_session(SessionOptions options) {
  auto session = KafkaSession::open(client_, topics_, *producer_, options);
  if (!session) return session.error();
  return std::move(*session);
}

Result<std::unique_ptr<LogReader>> KafkaLog::open_reader(const Offsets& from) {
  if (from.empty()) return rejected("open a reader: it needs at least one partition");
  Offsets starts;
  Offsets ends;
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, offset] : from) {
    if (Status there = check(partition); !there) return there.error();
    partitions.push_back(partition);
  }
  const auto found = kafka_bounds(client_, handle(), partitions);
  if (!found) return found.error();
  for (const auto& [partition, bounds] : *found) {
    starts.emplace(partition, std::clamp(from.at(partition), bounds.begin, bounds.end));
    ends.emplace(partition, bounds.end);
  }
  auto reader = KafkaReader::open(client_, starts, ends);
  if (!reader) return reader.error();
  return std::move(*reader);
}

Status KafkaLog::check(const TopicPartition& partition) const {
  const auto count = partitions(partition.topic);
  if (!count) return count.error();
  if (partition.partition < 0 || partition.partition >= *count) {
    return rejected("there is no partition " + name_of(partition));
  }
  return {};
}

Result<Offset> KafkaLog::offset(const TopicPartition& partition, Offset which) const {
  if (Status there = check(partition); !there) return there.error();
  const auto found = kafka_offsets(client_, handle(), std::span{&partition, 1}, which);
  if (!found) return found.error();
  return found->at(partition);
}

Result<Offset> KafkaLog::begin_offset(const TopicPartition& partition) const {
  return offset(partition, RD_KAFKA_OFFSET_BEGINNING);
}

Result<Offset> KafkaLog::end_offset(const TopicPartition& partition) const {
  return offset(partition, RD_KAFKA_OFFSET_END);
}

Result<std::optional<Offset>> KafkaLog::committed(std::string_view group,
                                                  const TopicPartition& partition) const {
  if (Status there = check(partition); !there) return there.error();
  return kafka_committed(client_, std::string{group}, partition, Pending::wait);
}

Result<std::map<TopicPartition, GroupOffsets>> KafkaLog::group_offsets(
    std::string_view group, std::span<const TopicPartition> partitions) const {
  for (const TopicPartition& each : partitions) {
    if (Status there = check(each); !there) return there.error();
  }
  const auto committed = kafka_committed(client_, std::string{group}, partitions, Pending::ignore);
  if (!committed) return committed.error();
  const auto bounds = kafka_bounds(client_, handle(), partitions);
  if (!bounds) return bounds.error();
  std::map<TopicPartition, GroupOffsets> all;
  for (const auto& [partition, each] : *bounds) {
    GroupOffsets& offsets = all[partition];
    offsets.begin = each.begin;
    offsets.end = each.end;
    if (const auto at = committed->find(partition); at != committed->end()) {
      offsets.committed = at->second;
    }
  }
  return all;
}

Result<std::optional<Record>> KafkaLog::read_at(const Position& position) const {
  const auto end = end_offset(position.source);
  if (!end) return end.error();
  return fetcher_.fetch(position, *end);
}

}  // namespace

Result<std::unique_ptr<Log>> open_kafka_log(KafkaLogOptions options, const Clock& clock,
                                            MetricsRegistry& metrics,
                                            const std::function<bool(const Error&)>& ask_again) {
  auto log = std::make_unique<KafkaLog>(std::move(options), clock, metrics);
  if (Status opened = log->open(ask_again); !opened) return opened.error();
  return log;
}

}  // namespace millrace
