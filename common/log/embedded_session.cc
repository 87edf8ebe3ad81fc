#include "common/log/embedded_session.h"

#include <utility>

namespace millrace {

EmbeddedSession::EmbeddedSession(std::string group,
                                 const std::vector<EmbeddedCursor::Start>& starts,
                                 EmbeddedSessionHost host)
    : group_(std::move(group)), host_(std::move(host)), cursor_(starts) {
  for (const EmbeddedCursor::Start& each : starts) {
    assigned_[{each.topic->spec().name, each.partition}] = {each.topic, each.position};
  }
}

EmbeddedSession::~EmbeddedSession() { host_.closed(); }

Result<std::vector<Record>> EmbeddedSession::poll(std::size_t max_records, std::size_t max_bytes,
                                                  std::chrono::milliseconds wait) {
  return cursor_.poll(max_records, max_bytes, wait);
}

Status EmbeddedSession::commit(std::span<const Record> outputs, const Offsets& consumed) {
  for (const auto& [partition, offset] : consumed) {
    const auto found = assigned_.find(partition);
    if (found == assigned_.end()) {
      return rejected("commit " + partition.topic + ":" + std::to_string(partition.partition) +
                      ": not assigned to this session of group " + group_);
    }
    if (offset < 0 || offset > found->second.topic->at(partition.partition).end) {
      return rejected("commit " + partition.topic + ":" + std::to_string(partition.partition) +
                      " at " + std::to_string(offset) + ": the log does not reach there");
    }
  }
  Status stored = host_.commit(group_, outputs, consumed);
  if (!stored) return stored;
  for (const auto& [partition, offset] : consumed) assigned_[partition].resume = offset;
  return {};
}

Result<Offsets> EmbeddedSession::rewind() {
  for (const auto& [partition, assigned] : assigned_) cursor_.move(partition, assigned.resume);
  return Offsets{};
}

Status EmbeddedSession::seek(const Offsets& offsets) {
  for (const auto& [partition, offset] : offsets) {
    const auto found = assigned_.find(partition);
    if (found == assigned_.end()) continue;
    const Offset end = found->second.topic->at(partition.partition).end;
    if (offset < 0 || offset > end) {
      return rejected("seek " + partition.topic + ":" + std::to_string(partition.partition) +
                      " to " + std::to_string(offset) + ": the log ends at " + std::to_string(end) +
                      "; was it wiped, and what was made from it not?");
    }
  }
  for (const auto& [partition, offset] : offsets) {
    const auto found = assigned_.find(partition);
    if (found == assigned_.end()) continue;
    found->second.resume = offset;
    cursor_.move(partition, offset);
  }
  return {};
}

std::vector<TopicPartition> EmbeddedSession::assignment() const {
  std::vector<TopicPartition> all;
  all.reserve(assigned_.size());
  for (const auto& [partition, assigned] : assigned_) all.push_back(partition);
  return all;
}

}  // namespace millrace
