#include "common/log/kafka_at_least_once.h"

#include <chrono>
#include <memory>
#include <utility>

namespace millrace {

namespace {

// Each commit of offsets costs the broker as much as a hop of the question.
constexpr std::chrono::milliseconds kPause{250};

}  // namespace

Status KafkaAtLeastOnce::commit(std::span<const Record> outputs, const Offsets& consumed,
                                Offsets before, rd_kafka_t* consumer) {
  if (Status stored = finish_earlier(); !stored) return stored;
  Append append;
  append.before = std::move(before);
  append.consumed = consumed;
  if (!outputs.empty()) {
    // The handler may come after this is gone.
    auto outcome = std::make_shared<std::promise<Result<std::vector<Position>>>>();
    append.stored = outcome->get_future();
    producer_.append_async({outputs.begin(), outputs.end()},
                           [outcome](Result<std::vector<Position>> positions) {
                             outcome->set_value(std::move(positions));
                           });
  }
  append_ = std::move(append);
  if (waits_ || is_done()) {
    finish();
    if (failed_) return *failed_;
    waits_ = false;
  }
  return send_due(consumer);
}

Status KafkaAtLeastOnce::turn(rd_kafka_t* consumer) {
  if (is_done()) {
    if (Status stored = finish_earlier(); !stored) return stored;
  }
  return send_due(consumer);
}

bool KafkaAtLeastOnce::is_done() const {
  constexpr std::chrono::seconds kNoWait{0};
  return append_ && (!append_->stored.valid() ||
                     append_->stored.wait_for(kNoWait) == std::future_status::ready);
}

void KafkaAtLeastOnce::finish() {
  if (!append_) return;
  Append done = std::move(*append_);
  append_.reset();
  if (done.stored.valid()) {
    const Result<std::vector<Position>> positions = done.stored.get();
    if (!positions) {
      lost_ = std::move(done.before);
      failed_ = positions.error();
      return;
    }
  }
  for (const auto& [partition, offset] : done.consumed) unsent_[partition] = offset;
}

// Of a commit that has been answered already. Whatever was wrong with it is nobody's fault that is
// in hand now: it comes again, and is waited for then.
Status KafkaAtLeastOnce::finish_earlier() {
  finish();
  if (!failed_) return {};
  waits_ = true;
  return unavailable(failed_->message);
}

Offsets KafkaAtLeastOnce::take_lost() {
  finish();
  if (failed_) waits_ = true;
  failed_.reset();
  return std::exchange(lost_, {});
}

Status KafkaAtLeastOnce::send_due(rd_kafka_t* consumer) {
  if (client_.clock().now() - sent_at_ < kPause) return {};
  return send(consumer);
}

// What the broker says to it comes too late to matter: it is processed twice.
Status KafkaAtLeastOnce::send(rd_kafka_t* consumer) {
  if (unsent_.empty()) return {};
  sent_at_ = client_.clock().now();
  constexpr int kAsync = 1;
  const KafkaPartitions offsets = to_kafka(client_, unsent_);
  const auto code = rd_kafka_commit(consumer, offsets.get(), kAsync);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_error("commit offsets of the group " + group_, code);
  }
  for (const auto& [partition, offset] : unsent_) sent_[partition] = offset;
  unsent_.clear();
  return {};
}

void KafkaAtLeastOnce::let_go(const std::set<TopicPartition>& partitions, rd_kafka_t* consumer) {
  finish();
  if (!send(consumer)) unsent_.clear();
  for (const TopicPartition& each : partitions) {
    sent_.erase(each);  // another one's offsets come after these
    lost_.erase(each);
  }
}

void KafkaAtLeastOnce::leave(rd_kafka_t* consumer) {
  finish();
  Offsets last = std::exchange(unsent_, {});  // the newer ones
  last.merge(std::exchange(sent_, {}));
  if (last.empty()) return;
  constexpr int kWait = 0;
  const KafkaPartitions offsets = to_kafka(client_, last);
  rd_kafka_commit(consumer, offsets.get(), kWait);  // else it is processed twice
}

}  // namespace millrace
