#pragma once

#include <chrono>
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
#include "schemas/filter.h"
#include "schemas/index_state.h"
#include "schemas/query.h"
#include "workers/index/vector_index.h"

namespace millrace {

struct IndexOptions {
  std::filesystem::path directory;  // of this partition
  std::int32_t dimensions = 0;
  MetricLabels labels = {};         // of its metrics: generation, partition
  std::size_t block_rows = 4'096;   // of a segment that grows, see README.md; tests make it small
  VectorIndexOptions vectors = {};  // of the segments in files
  // So long after the last change the segments are made as few as it is worth.
  std::chrono::milliseconds quiet_after = std::chrono::seconds{30};
  // So long after something was removed or replaced its bytes leave the files, by and by.
  std::chrono::milliseconds purge_after = std::chrono::hours{6};
};

struct IndexSearch {
  std::string collection;
  std::string question = {};           // looked for by its words; empty: it has none
  std::span<const float> vector = {};  // dimensions, length 1; empty: nearness does not count
  std::size_t top_k = 10;
  bool sees_everything = false;
  std::span<const std::string> groups = {};  // sees what allows one of these, and what is open
  Filter filter = {};
  bool with_vectors = false;  // each match carries its chunk's vector
};

// The passages that may be among the best top_k of all partitions, however the gather weighs
// nearness against words: those that are among the best max(top_k, kRiseRank) of this one for one
// of kWeighings weighings, best first by nearness alone, then by more and more of the words. Each
// has its match.
struct IndexHits {
  std::vector<Passage> passages;
  LexicalEvidence evidence;
};
inline constexpr int kWeighings = 11;  // 0, .1 … 1

// What became of one embeddings record.
struct IndexChange {
  enum class Kind { staged, swapped, removed, ignored } kind = Kind::staged;
  // Embeddings records (keys) that nothing needs any more: those of the revision before.
  std::vector<std::string> superseded_keys;
};

// The index of one partition and generation, over all collections, as segments: rows with their
// vectors, words and metadata, of which one grows in memory and the others are files. RocksDB is
// the truth (chunk text, vectors as float16, which revision of a document is current, offsets): a
// segment's file that is damaged is made again from it, and what RocksDB cannot read is removed and
// comes again from the log. One thread applies; two of the index's own write segments and merge
// them. search() is free for any thread and never waits for anybody's I/O. A search sees a
// document's old revision or its new one, never both, never half.
class PartitionIndex {
 public:
  virtual ~PartitionIndex() = default;

  // Applies one record of `embeddings.gN` idempotently: applying it again gives the same change.
  // Batches of a revision are staged until all have arrived, then swapped in. Not yet durable.
  virtual Result<IndexChange> apply(const EmbeddingEvent& event) = 0;

  // Everything applied is durable, with this position: one past the last record applied.
  virtual Status checkpoint(Offset position) = 0;
  virtual std::optional<Offset> restored() const = 0;  // the position of the last checkpoint
  virtual Offset position() const = 0;                 // the same, for any thread; none is 0

  // Where segments became files since the last one: a copy of all that was applied, by hard links,
  // in DIRECTORY/snapshots/; the one before goes. Else does nothing. The runner's thread. A failure
  // loses nothing.
  virtual Status snapshot() = 0;

  // Questions that wait together are searched together; one result each.
  virtual std::vector<Result<IndexHits>> search(std::span<const IndexSearch> searches) const = 0;
  virtual IndexCounts counts() const = 0;  // looks at every file: not for each search

  // Removes from the disk what nobody finds any more, texts, words, vectors and snapshots of it,
  // where that has waited for IndexOptions::purge_after: begins it, or goes on with it, and does
  // not wait. The runner's thread, every now and then. purged(): what records before this position
  // have superseded is gone.
  virtual Status purge_when_due() { return {}; }
  virtual Offset purged() const { return 0; }

  // Returns once nothing is left to be written or merged: for tests and measurements.
  virtual Status settle() { return {}; }
  // As settle(), but for what waits until nothing has changed for IndexOptions::quiet_after.
  virtual Status settle_quietly() { return {}; }
};

// `rejected` when the directory holds vectors of other dimensions. What is damaged or of another
// format is removed, and the index opens without a position: the log has it all.
Result<std::unique_ptr<PartitionIndex>> open_partition_index(const IndexOptions& options,
                                                             MetricsRegistry& metrics);

}  // namespace millrace
