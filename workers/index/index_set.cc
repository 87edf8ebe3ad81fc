#include "workers/index/index_set.h"

#include <utility>

namespace millrace {

IndexSet::IndexSet(int generation, std::vector<std::unique_ptr<PartitionIndex>> indexes)
    : generation_{generation}, indexes_{std::move(indexes)} {}

Result<std::unique_ptr<IndexSet>> IndexSet::open(const IndexSetOptions& options,
                                                 MetricsRegistry& metrics) {
  if (options.partitions < 1) return rejected("an index set needs at least one partition");
  std::vector<std::unique_ptr<PartitionIndex>> indexes;
  const std::string generation = std::to_string(options.generation);
  for (std::int32_t partition = 0; partition < options.partitions; ++partition) {
    const std::string number = std::to_string(partition);
    IndexOptions one;
    one.directory = options.directory / ("g" + generation) / ("partition-" + number);
    one.dimensions = options.dimensions;
    one.labels = {{"generation", generation}, {"partition", number}};
    Result<std::unique_ptr<PartitionIndex>> index = open_partition_index(one, metrics);
    if (!index) return with_context("index of partition " + number, index.error());
    indexes.push_back(std::move(*index));
  }
  return std::make_unique<IndexSet>(options.generation, std::move(indexes));
}

PartitionIndex* IndexSet::find(std::int32_t partition) const {
  if (partition < 0 || partition >= partitions()) return nullptr;
  return indexes_[static_cast<std::size_t>(partition)].get();
}

IndexCounts IndexSet::counts(std::string_view collection) const {
  IndexCounts sum;
  for (const std::unique_ptr<PartitionIndex>& index : indexes_) {
    const IndexCounts one = index->counts(collection);
    sum.documents += one.documents;
    sum.chunks += one.chunks;
  }
  return sum;
}

}  // namespace millrace
