#include "gateway/backup/offset_map.h"

#include <algorithm>
#include <cassert>

namespace millrace {

void OffsetMap::add(const TopicPartition& partition, Offset old, Offset restored) {
  Runs& runs = runs_[partition];
  if (!runs.empty()) {
    Run& last = runs.back();
    assert(old >= last.old + last.count && restored >= last.restored + last.count);
    if (old == last.old + last.count && restored == last.restored + last.count) {
      ++last.count;
      return;
    }
  }
  runs.push_back({old, restored, 1});
}

const OffsetMap::Runs& OffsetMap::runs_of(const TopicPartition& partition) const {
  static const Runs kNone;
  const auto found = runs_.find(partition);
  return found == runs_.end() ? kNone : found->second;
}

OffsetMap::Runs::const_iterator OffsetMap::find(const Runs& runs, Offset old) {
  return std::ranges::partition_point(
      runs, [old](const Run& each) { return each.old + each.count <= old; });
}

std::optional<Offset> OffsetMap::of(const TopicPartition& partition, Offset old) const {
  const Runs& runs = runs_of(partition);
  const auto run = find(runs, old);
  if (run == runs.end() || run->old > old) return std::nullopt;
  return run->restored + (old - run->old);
}

std::optional<Offset> OffsetMap::at_or_before(const TopicPartition& partition, Offset old) const {
  const Runs& runs = runs_of(partition);
  const auto run = find(runs, old);
  if (run != runs.end() && run->old <= old) return run->restored + (old - run->old);
  if (run == runs.begin()) return std::nullopt;
  const Run& before = *std::prev(run);
  return before.restored + before.count - 1;
}

Offset OffsetMap::at_or_after(const TopicPartition& partition, Offset old) const {
  const Runs& runs = runs_of(partition);
  const auto run = find(runs, old);
  if (run == runs.end()) return runs.empty() ? 0 : runs.back().restored + runs.back().count;
  return run->old >= old ? run->restored : run->restored + (old - run->old);
}

}  // namespace millrace
