#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "gateway/stream_position.h"

namespace millrace {

// What this process has just written and its table may not have yet, so that a client that reads
// right after its write finds it. The newest kKeptMax writes; by the time one is forgotten the
// table has long had it. Thread-safe.
template <class Value>
class RecentWrites {
 public:
  static constexpr std::size_t kKeptMax = 20'000;

  struct Write {
    Value value;
    StreamPosition position;
  };

  void remember(const std::string& key, Value value, StreamPosition position) {
    const std::lock_guard lock{mutex_};
    writes_.insert_or_assign(key, Write{std::move(value), position});
    order_.emplace_back(key, position);
    while (order_.size() > kKeptMax) {
      const auto& [oldest, at] = order_.front();
      const auto found = writes_.find(oldest);
      if (found != writes_.end() && found->second.position == at) writes_.erase(found);
      order_.pop_front();
    }
  }

  // The write, unless the table's row stands at or after it (rows of a key share a partition).
  std::optional<Write> newer_than(const std::string& key,
                                  const std::optional<StreamPosition>& row) {
    const std::lock_guard lock{mutex_};
    const auto found = writes_.find(key);
    if (found == writes_.end()) return std::nullopt;
    if (row && row->offset >= found->second.position.offset) {
      writes_.erase(found);
      return std::nullopt;
    }
    return found->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, Write> writes_;
  std::deque<std::pair<std::string, StreamPosition>> order_;
};

}  // namespace millrace
