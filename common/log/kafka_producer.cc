#include "common/log/kafka_producer.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <ranges>
#include <utility>

#include "common/log/kafka_records.h"

namespace millrace {

namespace {

constexpr int kServeMs = 100;
constexpr std::size_t kLanes = 4;

void serve(const std::stop_token& stop, rd_kafka_t* handle) {
  while (!stop.stop_requested() || rd_kafka_outq_len(handle) > 0) rd_kafka_poll(handle, kServeMs);
}

// What a message has of it.
std::size_t payload(const Record& record) {
  return record.key.size() + (record.tombstone ? 0 : record.value.size());
}

// One call of append_async(), alive until its last record is stored or has failed.
class Append {
 public:
  Append(std::size_t count, AppendHandler done)
      : done_(std::move(done)), positions_(count), places_(count), missing_(count + 1) {
    for (std::size_t i = 0; i < count; ++i) places_[i] = {this, i};
  }

  // What a message carries, so that its delivery report finds its way back.
  struct Place {
    Append* append = nullptr;
    std::size_t index = 0;
    void stored(const Position& position) const {
      append->positions_[index] = position;
      append->settle(1);
    }
    void failed(Error error) const {
      append->fail(std::move(error));
      append->settle(1);
    }
  };
  Place* place(std::size_t index) { return &places_[index]; }

  void fail(Error error) {
    const std::lock_guard lock{mutex_};
    if (!error_) error_ = std::move(error);
  }

  // So many are done, of the records and the one who queues them; the last one ends this.
  void settle(std::size_t count) {
    if (missing_.fetch_sub(count) != count) return;
    const std::unique_ptr<Append> ends{this};
    if (error_) return done_(std::move(*error_));
    done_(std::move(positions_));
  }

 private:
  const AppendHandler done_;
  std::vector<Position> positions_;
  std::vector<Place> places_;
  std::atomic<std::size_t> missing_;
  std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace

KafkaProducer::KafkaProducer(const KafkaClient& client, const KafkaTopics& topics)
    : client_(client),
      topics_(topics),
      records_(client.metrics().counter("log_append_records_total", "Records appended to the log",
                                        {{"lane", "kafka"}})),
      bytes_(client.metrics().counter("log_append_bytes_total",
                                      "Bytes of keys, values and headers appended",
                                      {{"lane", "kafka"}})) {}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(const KafkaClient& client,
                                                           const KafkaTopics& topics) {
  std::unique_ptr<KafkaProducer> producer{new KafkaProducer{client, topics}};
  producer->callbacks_.delivered = [made = producer.get()](const rd_kafka_message_t& message) {
    made->delivered(message);
  };
  constexpr std::size_t kKiB = 1024;
  const std::vector<KafkaClient::Setting> settings{
      {"enable.idempotence", "true"},
      kOneInFlight,
      // Of requests about ends: where the next record goes, open transactions or not.
      {"isolation.level", "read_uncommitted"},
      {"linger.ms", "0"},  // a question waits for nobody; what is queued meanwhile goes together
      {"delivery.timeout.ms", std::to_string(client.timeout_ms())},
      {"queue.buffering.max.kbytes", std::to_string(client.options().queue_bytes_max / kKiB)},
  };
  for (std::size_t i = 0; i < kLanes; ++i) {
    auto handle = client.make(RD_KAFKA_PRODUCER, settings, producer->callbacks_);
    if (!handle) return handle.error();
    std::jthread thread{serve, handle->get()};
    producer->lanes_.push_back({std::move(*handle), std::move(thread)});
  }
  return producer;
}

KafkaProducer::~KafkaProducer() {
  // Delivery reports come for all, at the latest when their time is over: handlers are called once.
  for (Lane& each : lanes_) each.thread.request_stop();
}

Status KafkaProducer::introduce(std::string_view topic) const {
  for (const Lane& each : lanes_ | std::views::drop(1)) {
    if (Status known = topics_.introduce(each.handle.get(), topic); !known) return known;
  }
  return {};
}

void KafkaProducer::delivered(const rd_kafka_message_t& message) {
  queued_bytes_ -= message.len + message.key_len;
  const auto* place = static_cast<const Append::Place*>(message._private);
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const std::string doing = std::string{"append to "} + rd_kafka_topic_name(message.rkt);
    client_.health().failed(message.err, doing);
    return place->failed(kafka_error(doing, message.err));
  }
  if (message.offset < 0) {
    return place->failed(
        stored_or_not(std::string{"append to "} + rd_kafka_topic_name(message.rkt)));
  }
  records_.add();
  bytes_.add(static_cast<double>(message.len + message.key_len));
  place->stored(
      {{client_.inside(rd_kafka_topic_name(message.rkt)), message.partition}, message.offset});
}

Status KafkaProducer::reserve(std::size_t bytes) {
  if (queued_bytes_.fetch_add(bytes) + bytes <= client_.options().queue_bytes_max) return {};
  queued_bytes_ -= bytes;
  return kafka_error("append", RD_KAFKA_RESP_ERR__QUEUE_FULL);
}

void KafkaProducer::append_async(std::vector<Record> records, AppendHandler done) {
  if (records.empty()) return done(std::vector<Position>{});
  std::vector<std::int32_t> partitions;
  std::size_t bytes = 0;
  for (const Record& each : records) {
    const auto partition = route(topics_, each);
    if (!partition) return done(partition.error());
    partitions.push_back(*partition);
    bytes += payload(each);
  }
  if (Status has_room = reserve(bytes); !has_room) return done(has_room.error());
  auto* append = new Append{records.size(), std::move(done)};  // deletes itself
  std::size_t queued = 0;
  for (; queued < records.size(); ++queued) {
    const Lane& lane = lanes_[static_cast<std::size_t>(partitions[queued]) % kLanes];
    const auto code = produce(client_, lane.handle.get(), records[queued], partitions[queued],
                              append->place(queued));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    for (std::size_t i = queued; i < records.size(); ++i) queued_bytes_ -= payload(records[i]);
    append->fail(kafka_error("append to " + records[queued].topic, code));
    break;
  }
  append->settle(1 + records.size() - queued);
}

}  // namespace millrace
