#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/log/record.h"
#include "common/metrics.h"
#include "schemas/chunk.h"
#include "schemas/query.h"

namespace millrace {

struct IndexOptions {
  std::filesystem::path directory;  // of this partition
  std::int32_t dimensions = 0;
  MetricLabels labels = {};        // of its metrics: generation, partition
  std::size_t block_rows = 8'192;  // vectors per block, see README.md; tests make it small
};

struct IndexSearch {
  std::string collection;
  std::span<const float> vector;  // dimensions, length 1
  std::size_t top_k = 10;
  bool sees_everything = false;
  std::span<const std::string> groups = {};  // sees what allows one of these, and what is open
};

struct IndexCounts {
  std::int64_t documents = 0;
  std::int64_t chunks = 0;
};

// What became of one embeddings record.
struct IndexChange {
  enum class Kind { staged, swapped, removed, ignored } kind = Kind::staged;
  // Embeddings records (keys) that nothing needs any more: those of the revision before.
  std::vector<std::string> superseded_keys;
};

// The index of one partition and generation, over all collections: FAISS for the vectors, RocksDB
// for chunk text, offsets, vectors (float16) and which revision of a document is current. RocksDB
// is the truth; snapshot files of vectors shorten opening, are checked, and rebuilt when damaged.
// One thread applies; search() is free for any thread and never waits for I/O of a writer. A search
// sees a document's old revision or its new one, never both, never half.
class PartitionIndex {
 public:
  virtual ~PartitionIndex() = default;

  // Applies one record of `embeddings.gN` idempotently: applying it again gives the same change.
  // Batches of a revision are staged until all have arrived, then swapped in. Not yet durable.
  virtual Result<IndexChange> apply(const EmbeddingEvent& event) = 0;

  // Everything applied is durable, with this position: one past the last record applied.
  virtual Status checkpoint(Offset position) = 0;
  virtual std::optional<Offset> restored() const = 0;  // the position of the last checkpoint

  // Writes snapshot files where blocks of vectors have filled up since the last call, else does
  // nothing; the runner's thread. It only shortens opening: a failure loses nothing.
  virtual Status snapshot() = 0;

  virtual Result<std::vector<Passage>> search(const IndexSearch& search) const = 0;
  virtual IndexCounts counts(std::string_view collection) const = 0;  // empty name: all
};

// `rejected` when the directory holds vectors of other dimensions.
Result<std::unique_ptr<PartitionIndex>> open_partition_index(const IndexOptions& options,
                                                             MetricsRegistry& metrics);

}  // namespace millrace
