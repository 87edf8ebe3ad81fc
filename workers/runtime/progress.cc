#include "workers/runtime/progress.h"

#include <algorithm>

namespace millrace {

void Progress::retain(const std::vector<TopicPartition>& assignment) {
  const auto lost = [&](const auto& entry) {
    return std::ranges::find(assignment, entry.first) == assignment.end();
  };
  std::erase_if(resume_, lost);
  std::erase_if(committed_, lost);
}

void Progress::begin_at(const TopicPartition& partition, Offset offset) {
  resume_[partition] = offset;
  committed_[partition] = offset;
}

void Progress::found(const TopicPartition& partition, Offset offset) {
  committed_.try_emplace(partition, offset);
}

Offsets Progress::with(const Offsets& consumed) const {
  Offsets upto = resume_;
  for (const auto& [partition, offset] : consumed) upto[partition] = offset;
  return upto;
}

Offsets Progress::to_commit(const Offsets& settled, const Offsets& upto) const {
  Offsets changed;
  for (const auto& [partition, offset] : settled) {
    const auto processed = upto.find(partition);
    if (processed == upto.end()) continue;
    const Offset bounded = std::min(offset, processed->second);
    const auto known = committed_.find(partition);
    if (known == committed_.end() || known->second != bounded) changed[partition] = bounded;
  }
  return changed;
}

void Progress::committed(const Offsets& changed, const Offsets& upto) {
  for (const auto& [partition, offset] : changed) committed_[partition] = offset;
  resume_ = upto;
}

std::int64_t Progress::unsettled() const {
  std::int64_t records = 0;
  for (const auto& [partition, offset] : resume_) {
    const auto known = committed_.find(partition);
    if (known != committed_.end()) records += offset - known->second;
  }
  return records;
}

}  // namespace millrace
