#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "workers/index/index.h"

namespace millrace {

struct IndexSetOptions {
  std::filesystem::path directory;  // the index of partition P is in gN/partition-P
  int generation = 1;
  std::int32_t partitions = 1;
  std::int32_t dimensions = 0;
  std::chrono::milliseconds purge_after = std::chrono::hours{6};
};

// The partition indexes of one generation, all open for as long as it lives; shared by the stage
// that applies and the one that searches. Free of locks: which ones it holds does not change.
class IndexSet {
 public:
  static Result<std::unique_ptr<IndexSet>> open(const IndexSetOptions& options,
                                                MetricsRegistry& metrics);
  IndexSet(int generation, std::vector<std::unique_ptr<PartitionIndex>> indexes);

  std::int32_t partitions() const { return static_cast<std::int32_t>(indexes_.size()); }
  int generation() const { return generation_; }
  PartitionIndex* find(std::int32_t partition) const;  // null: there is no such partition

 private:
  int generation_;
  std::vector<std::unique_ptr<PartitionIndex>> indexes_;
};

}  // namespace millrace
