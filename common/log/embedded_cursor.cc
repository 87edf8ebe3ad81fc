#include "common/log/embedded_cursor.h"

#include <algorithm>
#include <cassert>

#include "common/log/embedded_lane.h"

namespace millrace {

namespace {

constexpr std::chrono::hours kWaitMax{24};  // so that a deadline does not overflow

}  // namespace

EmbeddedCursor::EmbeddedCursor(const std::vector<Start>& starts) {
  for (const Start& each : starts) {
    Slot& slot = slots_.emplace_back();
    slot.topic = each.topic;
    slot.partition = each.partition;
    slot.position = each.position;
  }
  for (TopicState* each : topics()) each->subscribe(*this);
}

EmbeddedCursor::~EmbeddedCursor() {
  for (TopicState* each : topics()) each->unsubscribe(*this);
}

std::vector<TopicState*> EmbeddedCursor::topics() const {
  std::vector<TopicState*> all;
  for (const Slot& each : slots_) {
    if (std::ranges::find(all, each.topic) == all.end()) all.push_back(each.topic);
  }
  return all;
}

Result<std::vector<Record>> EmbeddedCursor::poll(std::size_t max_records, std::size_t max_bytes,
                                                 std::chrono::milliseconds wait) {
  const auto until = system_clock().now() + std::min<std::chrono::milliseconds>(wait, kWaitMax);
  for (;;) {
    {
      const std::lock_guard lock{mutex_};
      notified_ = false;
    }
    auto records = read(max_records, max_bytes);
    if (!records || !records->empty()) return records;
    std::unique_lock lock{mutex_};
    changed_.wait_until(lock, until, [&] { return notified_ || woken_; });
    if (woken_ || !notified_) {
      woken_ = false;
      return std::vector<Record>{};
    }
  }
}

Result<std::vector<Record>> EmbeddedCursor::read(std::size_t max_records, std::size_t max_bytes) {
  assert(max_records > 0);
  ReadBudget budget{max_records, max_bytes};
  std::vector<Record> records;
  for (std::size_t i = 0; i < slots_.size() && budget.admits(1); ++i) {
    Slot& slot = slots_[(first_ + i) % slots_.size()];
    PartitionState& state = slot.topic->at(slot.partition);
    const Offset end = state.end;
    const Offset from = std::max<Offset>(slot.position, state.begin);
    if (from >= end) continue;
    const auto next = slot.topic->lane().store().read(
        slot.topic->id(slot.partition), slot.topic->spec().name, from, end, budget, records);
    if (!next) return next.error();
    slot.position = *next;
  }
  first_ = slots_.empty() ? 0 : (first_ + 1) % slots_.size();
  return records;
}

void EmbeddedCursor::move(const TopicPartition& partition, Offset position) {
  for (Slot& each : slots_) {
    if (each.partition == partition.partition && each.topic->spec().name == partition.topic) {
      each.position = position;
    }
  }
}

Offsets EmbeddedCursor::positions() const {
  Offsets all;
  for (const Slot& each : slots_) {
    all.emplace(TopicPartition{each.topic->spec().name, each.partition}, each.position);
  }
  return all;
}

std::int64_t EmbeddedCursor::lag() const {
  std::int64_t total = 0;
  for (const Slot& each : slots_) {
    const PartitionState& state = each.topic->at(each.partition);
    total += std::max<Offset>(0, state.end - std::max<Offset>(each.position, state.begin));
  }
  return total;
}

void EmbeddedCursor::wake() {
  {
    const std::lock_guard lock{mutex_};
    woken_ = true;
  }
  changed_.notify_one();
}

void EmbeddedCursor::notify() {
  {
    const std::lock_guard lock{mutex_};
    notified_ = true;
  }
  changed_.notify_one();
}

std::optional<Offset> EmbeddedCursor::position_in(const TopicState& topic,
                                                  std::int32_t partition) const {
  for (const Slot& each : slots_) {
    if (each.topic == &topic && each.partition == partition) return each.position;
  }
  return std::nullopt;
}

}  // namespace millrace
