#include "common/log/kafka_cursor.h"

#include <algorithm>

#include "common/log/kafka_records.h"

namespace millrace {

namespace {

constexpr std::size_t kAheadRecordsMax = 2'000;
constexpr std::size_t kAheadBytesMax = 16U << 20U;
// A wake() may come between the look at it and the wait.
constexpr std::chrono::milliseconds kWaitMax{500};

std::size_t bytes_of(const rd_kafka_message_t& message) { return message.len + message.key_len; }

}  // namespace

KafkaCursor::KafkaCursor(const KafkaClient& client, rd_kafka_t* consumer)
    : client_(client), consumer_(consumer), queue_(rd_kafka_queue_get_consumer(consumer)) {}

Result<std::vector<Record>> KafkaCursor::poll(std::size_t max_records, std::size_t max_bytes,
                                              std::chrono::milliseconds wait) {
  const Clock& clock = client_.clock();
  const auto until =
      clock.now() + std::min<std::chrono::milliseconds>(wait, std::chrono::hours{24});
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock.now());
    read(std::clamp(left, std::chrono::milliseconds{0}, kWaitMax));
    if (interrupted_) {
      interrupted_ = false;
      return std::vector<Record>{};
    }
    std::vector<Record> records = hand_out(max_records, max_bytes);
    if (!records.empty()) return records;
    if (error_) {
      Error error = std::move(*error_);
      error_.reset();
      return error;
    }
    if (woken_.exchange(false) || clock.now() >= until) return records;
  }
}

void KafkaCursor::wake() {
  woken_ = true;
  rd_kafka_queue_yield(queue_.get());
}

// Waits only while there is nothing to hand out.
void KafkaCursor::read(std::chrono::milliseconds wait) {
  while (waiting_records_ < kAheadRecordsMax && waiting_bytes_ < kAheadBytesMax) {
    const bool may_wait = waiting_records_ == 0 && !error_ && !interrupted_ && !woken_;
    KafkaMessage message{
        rd_kafka_consumer_poll(consumer_, may_wait ? static_cast<int>(wait.count()) : 0)};
    if (!message) return;
    take(std::move(message));
  }
}

void KafkaCursor::take(KafkaMessage message) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return take_error(*message);
  Slot* slot = find(*message);
  if (slot == nullptr || message->offset < slot->read_to)
    return;  // from before a rebalance or seek
  slot->read_to = message->offset + 1;
  ++waiting_records_;
  waiting_bytes_ += bytes_of(*message);
  slot->waiting.push_back(std::move(message));
}

void KafkaCursor::take_error(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      if (Slot* slot = find(message)) slot->read_to = std::max(slot->read_to, message.offset);
      return;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:  // left the group; polling joins it again
    case RD_KAFKA_RESP_ERR__TRANSPORT:          // of one broker: asked again
      return;
    default: {
      const std::string doing =
          "read " +
          std::string{message.rkt == nullptr ? "from Kafka" : rd_kafka_topic_name(message.rkt)};
      char why[512] = "";
      rd_kafka_resp_err_t code = rd_kafka_fatal_error(consumer_, why, sizeof why);
      const bool is_fatal = code != RD_KAFKA_RESP_ERR_NO_ERROR;
      if (!is_fatal) code = message.err;
      client_.health().count(code);
      error_ = kafka_error(doing, code, *why ? why : rd_kafka_message_errstr(&message));
      if (is_fatal) error_->kind = Error::Kind::unavailable;  // rewind() says whether it is
    }
  }
}

KafkaCursor::Slot* KafkaCursor::find(const rd_kafka_message_t& message) {
  const auto found =
      slots_.find({client_.inside(rd_kafka_topic_name(message.rkt)), message.partition});
  return found == slots_.end() ? nullptr : &found->second;
}

std::vector<Record> KafkaCursor::hand_out(std::size_t max_records, std::size_t max_bytes) {
  std::vector<Record> records;
  if (waiting_records_ == 0) return records;
  const std::size_t count = slots_.size();
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Slot& slot =
        std::next(slots_.begin(), static_cast<std::ptrdiff_t>((first_ + i) % count))->second;
    while (!slot.waiting.empty() && records.size() < max_records) {
      rd_kafka_message_t& next = *slot.waiting.front();
      if (!records.empty() && bytes + bytes_of(next) > max_bytes) break;
      bytes += bytes_of(next);
      records.push_back(to_record(client_, next));
      --waiting_records_;
      waiting_bytes_ -= bytes_of(next);
      slot.waiting.pop_front();
    }
  }
  first_ = (first_ + 1) % count;
  return records;
}

void KafkaCursor::add(const TopicPartition& partition, Offset position, Offset end) {
  Slot slot;
  slot.read_to = position;
  slot.end = end;
  slots_.insert_or_assign(partition, std::move(slot));
}

void KafkaCursor::forget_waiting(Slot& slot) {
  for (const KafkaMessage& each : slot.waiting) waiting_bytes_ -= bytes_of(*each);
  waiting_records_ -= slot.waiting.size();
  slot.waiting.clear();
}

void KafkaCursor::remove(const TopicPartition& partition) {
  const auto found = slots_.find(partition);
  if (found == slots_.end()) return;
  forget_waiting(found->second);
  slots_.erase(found);
}

Status KafkaCursor::move(const Offsets& offsets) {
  if (offsets.empty()) return {};
  const KafkaPartitions list = to_kafka(client_, offsets);
  const KafkaError failed{rd_kafka_seek_partitions(consumer_, list.get(), client_.timeout_ms())};
  if (failed) {
    return kafka_error("seek", rd_kafka_error_code(failed.get()),
                       rd_kafka_error_string(failed.get()));
  }
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kafka_error("seek " + std::string{each.topic} + ":" + std::to_string(each.partition),
                         each.err);
    }
  }
  for (const auto& [partition, offset] : offsets) {
    Slot& slot = slots_.at(partition);
    forget_waiting(slot);
    slot.read_to = offset;
  }
  return {};
}

Offsets KafkaCursor::positions() const {
  Offsets all;
  for (const auto& [partition, slot] : slots_) all.emplace(partition, slot.position());
  return all;
}

std::int64_t KafkaCursor::lag() const {
  std::int64_t lag = 0;
  for (const auto& [partition, slot] : slots_) {
    Offset begin = 0;
    Offset end = 0;
    const auto code = rd_kafka_get_watermark_offsets(
        consumer_, client_.outside(partition.topic).c_str(), partition.partition, &begin, &end);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) end = 0;
    lag += std::max<Offset>(std::max(end, slot.end) - slot.position(), 0);
  }
  return lag;
}

}  // namespace millrace
