#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics.h"
#include "workers/index/audiences.h"
#include "workers/index/chunk_store.h"
#include "workers/index/index.h"
#include "workers/index/snapshot.h"
#include "workers/index/staging.h"
#include "workers/index/vectors.h"

namespace millrace {

// The partition index as it is inside: see index.h for what it promises, README.md for how.
// partition_recovery.cc opens it, partition_apply.cc changes it, partition_index.cc is the rest.
class StoredPartitionIndex : public PartitionIndex {
 public:
  StoredPartitionIndex(IndexOptions options, MetricsRegistry& metrics);

  Status open();  // once, before anything else

  Result<IndexChange> apply(const EmbeddingEvent& event) override;
  Status checkpoint(Offset position) override;
  std::optional<Offset> restored() const override { return store_->position(); }
  Status snapshot() override;
  Result<std::vector<Passage>> search(const IndexSearch& search) const override;
  IndexCounts counts(std::string_view collection) const override;

 private:
  // One record on its way: what is read and decided before anything is written.
  struct Arrival {
    const ChunkEvent& event;
    std::string key;
    std::string encoded;                     // its vectors, float16
    std::vector<float> vectors;              // the same, rounded: what is searched
    std::optional<DocumentRow> document;     // as it is
    const StagedRevision* staged = nullptr;  // earlier batches of this revision
    std::uint64_t number = 0;                // of this revision
    SlotRange range;                         // of this batch
  };

  Result<Arrival> arrive(const EmbeddingEvent& event) const;
  Result<IndexChange> apply_new(Arrival& arrival);
  Status stage(StoreBatch& batch, const Arrival& arrival);
  Status swap(StoreBatch& batch, const Arrival& arrival, const DocumentRow& next);
  void flip(const Arrival& arrival, const DocumentRow& next,
            const std::vector<ChunkStore::Garbage>& garbage);
  void count(std::string_view key, const DocumentRow& row, int sign);
  Status write(StoreBatch& batch);
  void compact();
  Status remove_stale_files();
  void show_counts();

  // While opening: rows that are needed, in the order of their slots.
  struct Needed {
    SlotRange range;
    Audience audience = kDeadRow;
  };
  Status load_rows(std::vector<Needed>& needed);
  Status load_vectors(std::vector<Needed> needed);
  bool load_block(const std::string& name, std::vector<Needed>& needed, std::size_t& next,
                  Status& status);
  Status load_from_store(std::span<const Needed> needed);

  const IndexOptions options_;
  SnapshotFiles files_;
  std::unique_ptr<ChunkStore> store_;
  Staging staging_;
  std::vector<ChunkStore::Garbage> garbage_;  // to be removed by the next write
  bool changed_ = false;                      // since the last checkpoint
  bool stale_files_ = false;                  // snapshot files of blocks that are gone

  // Held shared by a search while it notes what it may see, and alone while a change becomes
  // visible: memory only, no I/O.
  mutable std::shared_mutex mutex_;
  VectorBlocks vectors_;
  Audiences audiences_;
  std::map<std::string, IndexCounts, std::less<>> counts_;
  IndexCounts total_;

  Gauge documents_gauge_;
  Gauge chunks_gauge_;
  Gauge dead_gauge_;
  Histogram search_seconds_;
  Histogram apply_seconds_;
  Histogram snapshot_seconds_;
};

}  // namespace millrace
