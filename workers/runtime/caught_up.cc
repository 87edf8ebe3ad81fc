#include "workers/runtime/caught_up.h"

#include <algorithm>

namespace millrace {

Status CaughtUp::adopt(const std::vector<TopicPartition>& assignment) {
  if (!choice_) return {};
  const auto is_lost = [&](const TopicPartition& each) {
    return std::ranges::find(assignment, each) == assignment.end();
  };
  std::erase_if(behind_, [&](const auto& entry) { return is_lost(entry.first); });
  std::erase_if(reached_, is_lost);
  tell();
  for (const TopicPartition& each : assignment) {
    if (behind_.contains(each) || reached_.contains(each)) continue;
    const auto end = log_.end_offset(each);
    if (!end) return end.error();
    behind_.emplace(each, *end);
  }
  return {};
}

void CaughtUp::processed(const Offsets& positions) {
  const std::size_t before = behind_.size();
  std::erase_if(behind_, [&](const auto& entry) {
    const auto position = positions.find(entry.first);
    if (position == positions.end() || position->second < entry.second) return false;
    reached_.insert(entry.first);
    return true;
  });
  if (behind_.size() != before) tell();
}

void CaughtUp::tell() {
  std::set<std::int32_t> partitions;
  for (const TopicPartition& each : reached_) partitions.insert(each.partition);
  choice_->set(std::move(partitions));
}

}  // namespace millrace
