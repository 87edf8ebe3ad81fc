#include "common/log/kafka_reader.h"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

constexpr std::size_t kIdleMax = 4;     // readers kept for the next fetch
constexpr Offset kPassedOverMax = 256;  // records read for nothing rather than assigning anew
constexpr std::size_t kBytesPerPoll = 8U << 20U;
constexpr std::chrono::milliseconds kTurn{100};

}  // namespace

Result<std::unique_ptr<KafkaReader>> KafkaReader::open(const KafkaClient& client,
                                                       const Offsets& from, const Offsets& ends) {
  std::unique_ptr<KafkaReader> reader{new KafkaReader{client}};
  // It joins no group; librdkafka wants a name all the same.
  const std::vector<KafkaClient::Setting> settings{{"queued.max.messages.kbytes", "16384"}};
  auto consumer = client.make_consumer("reader", settings, reader->callbacks_);
  if (!consumer) return consumer.error();
  reader->consumer_ = std::move(*consumer);
  reader->cursor_ = std::make_unique<KafkaCursor>(client, reader->consumer_.get());
  if (Status assigned = reader->assign(from, ends); !assigned) return assigned.error();
  return reader;
}

Status KafkaReader::assign(const Offsets& from, const Offsets& ends) {
  const KafkaPartitions list = to_kafka(client_, from);
  if (const auto code = rd_kafka_assign(consumer_.get(), list.get())) {
    return kafka_error("read from a position", code);
  }
  for (const auto& [partition, offset] : cursor_->positions()) cursor_->remove(partition);
  for (const auto& [partition, offset] : from) cursor_->add(partition, offset, ends.at(partition));
  return {};
}

Result<std::optional<Record>> KafkaFetcher::fetch(const Position& position, Offset end) {
  if (position.offset < 0 || position.offset >= end) return std::optional<Record>{};
  std::unique_ptr<Seat> seat = take(position);
  const bool goes_on = seat->reader && seat->next.source == position.source &&
                       seat->next.offset <= position.offset &&
                       position.offset - seat->next.offset <= kPassedOverMax;
  if (!goes_on) {
    const Offsets from{{position.source, position.offset}};
    const Offsets ends{{position.source, end}};
    if (seat->reader) {
      if (Status assigned = seat->reader->assign(from, ends); !assigned) return assigned.error();
    } else {
      auto opened = KafkaReader::open(client_, from, ends);
      if (!opened) return opened.error();
      seat->reader = std::move(*opened);
    }
  }
  auto record = read(*seat, position, end);
  if (record) give_back(std::move(seat));
  return record;
}

// Nothing is kept of what is passed over: the reader reads one record ahead of what it gives.
Result<std::optional<Record>> KafkaFetcher::read(Seat& seat, const Position& position, Offset end) {
  const auto until = client_.clock().now() + client_.options().request_timeout;
  for (;;) {
    auto polled = seat.reader->poll(1, kBytesPerPoll, kTurn);
    if (!polled) return polled.error();
    const Offset read_to = seat.reader->positions().at(position.source);
    seat.next = {position.source, read_to};
    if (!polled->empty() && polled->front().offset == position.offset) {
      return std::optional<Record>{std::move(polled->front())};
    }
    const bool passed = !polled->empty() && polled->front().offset > position.offset;
    if (passed || read_to > position.offset) {
      seat.next = {};  // what was read too far is asked for anew
      return std::optional<Record>{};
    }
    if (client_.clock().now() > until) {
      return unavailable("fetch " + position.source.topic + ":" +
                         std::to_string(position.source.partition) + ":" +
                         std::to_string(position.offset) + " of " + std::to_string(end) +
                         ": no broker gave it in time");
    }
  }
}

std::unique_ptr<KafkaFetcher::Seat> KafkaFetcher::take(const Position& position) {
  const std::lock_guard lock{mutex_};
  if (idle_.empty()) return std::make_unique<Seat>();
  auto best = std::ranges::find_if(idle_, [&](const std::unique_ptr<Seat>& each) {
    return each->next.source == position.source && each->next.offset <= position.offset;
  });
  if (best == idle_.end()) best = std::prev(idle_.end());
  std::unique_ptr<Seat> seat = std::move(*best);
  idle_.erase(best);
  return seat;
}

void KafkaFetcher::give_back(std::unique_ptr<Seat> seat) {
  const std::lock_guard lock{mutex_};
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(seat));
}

}  // namespace millrace
