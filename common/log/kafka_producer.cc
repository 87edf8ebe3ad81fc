#include "common/log/kafka_producer.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "common/log/kafka_records.h"

namespace millrace {

namespace {

constexpr int kServeMs = 100;

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
  auto handle = client.make(RD_KAFKA_PRODUCER, settings, producer->callbacks_);
  if (!handle) return handle.error();
  producer->handle_ = std::move(*handle);
  producer->thread_ =
      std::jthread{[made = producer.get()](const std::stop_token& stop) { made->serve(stop); }};
  return producer;
}

KafkaProducer::~KafkaProducer() {
  // Delivery reports come for all, at the latest when their time is over: handlers are called once.
  thread_.request_stop();
}

void KafkaProducer::serve(const std::stop_token& stop) const {
  while (!stop.stop_requested() || rd_kafka_outq_len(handle_.get()) > 0) {
    rd_kafka_poll(handle_.get(), kServeMs);
  }
}

void KafkaProducer::delivered(const rd_kafka_message_t& message) {
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

void KafkaProducer::append_async(std::vector<Record> records, AppendHandler done) {
  if (records.empty()) return done(std::vector<Position>{});
  std::vector<std::int32_t> partitions;
  for (const Record& each : records) {
    const auto partition = route(topics_, each);
    if (!partition) return done(partition.error());
    partitions.push_back(*partition);
  }
  auto* append = new Append{records.size(), std::move(done)};  // deletes itself
  std::size_t queued = 0;
  for (; queued < records.size(); ++queued) {
    const auto code =
        produce(client_, handle_.get(), records[queued], partitions[queued], append->place(queued));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    append->fail(kafka_error("append to " + records[queued].topic, code));
    break;
  }
  append->settle(1 + records.size() - queued);
}

}  // namespace millrace
