#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "common/log/record.h"

namespace millrace {

// The records whose queries are not finished: offsets advance to the oldest of them. Not
// thread-safe.
class UnfinishedRecords {
 public:
  bool contains(const Position& position) const {
    const auto found = offsets_.find(position.source);
    return found != offsets_.end() && found->second.contains(position.offset);
  }

  void add(const Position& position) { offsets_[position.source].insert(position.offset); }

  void remove(const Position& position) {
    const auto found = offsets_.find(position.source);
    if (found == offsets_.end()) return;
    found->second.erase(position.offset);
    if (found->second.empty()) offsets_.erase(found);
  }

  Offsets settled(Offsets consumed) const {
    for (auto& [partition, offset] : consumed) {
      const auto found = offsets_.find(partition);
      if (found != offsets_.end()) offset = std::min(offset, *found->second.begin());
    }
    return consumed;
  }

 private:
  std::map<TopicPartition, std::set<Offset>> offsets_;
};

}  // namespace millrace
