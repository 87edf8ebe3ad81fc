#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <utility>

namespace millrace {

// Which partitions are to be read here, where the group does not decide it: set by who owns what is
// kept for them, looked at by the session that reads. Thread-safe.
class PartitionChoice {
 public:
  void set(std::set<std::int32_t> partitions) {
    const std::lock_guard lock{mutex_};
    partitions_ = std::move(partitions);
  }
  std::set<std::int32_t> get() const {
    const std::lock_guard lock{mutex_};
    return partitions_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::int32_t> partitions_;
};

}  // namespace millrace
