#include "workers/index/index_set.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "workers/index/cpu.h"

namespace millrace {

IndexSet::IndexSet(int generation, std::vector<std::unique_ptr<PartitionIndex>> indexes)
    : generation_{generation}, indexes_{std::move(indexes)} {}

Result<std::unique_ptr<IndexSet>> IndexSet::open(const IndexSetOptions& options,
                                                 MetricsRegistry& metrics) {
  if (Status cpu = check_cpu(); !cpu) return cpu.error();
  if (options.partitions < 1) return rejected("an index set needs at least one partition");
  const std::string generation = std::to_string(options.generation);
  const auto count = static_cast<std::size_t>(options.partitions);
  std::vector<std::optional<Result<std::unique_ptr<PartitionIndex>>>> opened(count);
  std::atomic<std::size_t> next = 0;
  const auto open_some = [&] {
    for (std::size_t partition = next++; partition < count; partition = next++) {
      const std::string number = std::to_string(partition);
      IndexOptions one;
      one.directory = options.directory / ("g" + generation) / ("partition-" + number);
      one.dimensions = options.dimensions;
      one.purge_after = options.purge_after;
      one.labels = {{"generation", generation}, {"partition", number}};
      opened[partition].emplace(open_partition_index(one, metrics));
    }
  };
  {
    // Opening checks every byte of the segments: side by side.
    std::vector<std::jthread> helpers;
    const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
    for (std::size_t i = 1; i < std::min(threads, count); ++i) helpers.emplace_back(open_some);
    open_some();
  }
  std::vector<std::unique_ptr<PartitionIndex>> indexes;
  for (std::size_t partition = 0; partition < count; ++partition) {
    Result<std::unique_ptr<PartitionIndex>>& index = *opened[partition];
    if (!index) {
      return with_context("index of partition " + std::to_string(partition), index.error());
    }
    indexes.push_back(std::move(*index));
  }
  return std::make_unique<IndexSet>(options.generation, std::move(indexes));
}

PartitionIndex* IndexSet::find(std::int32_t partition) const {
  if (partition < 0 || partition >= partitions()) return nullptr;
  return indexes_[static_cast<std::size_t>(partition)].get();
}

}  // namespace millrace
