#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "workers/index/audiences.h"
#include "workers/index/background.h"
#include "workers/index/chunk_store.h"
#include "workers/index/chunk_terms.h"
#include "workers/index/files.h"
#include "workers/index/index.h"
#include "workers/index/index_lock.h"
#include "workers/index/index_probe.h"
#include "workers/index/segments.h"
#include "workers/index/staging.h"

namespace millrace {

// Of what was found damaged, and goes with it when the index is opened again.
inline constexpr std::string_view kDamageFile = "damaged";

// The partition index as it is inside: see index.h for what it promises, README.md for how.
// partition_*.cc say what each is about.
class StoredPartitionIndex : public PartitionIndex {
 public:
  StoredPartitionIndex(IndexOptions options, MetricsRegistry& metrics);

  // Once, before anything else. `fatal`: damaged, or of another format.
  Status open();

  Result<IndexChange> apply(const EmbeddingEvent& event) override;
  Status checkpoint(Offset position) override;
  std::optional<Offset> restored() const override { return store_->position(); }
  Offset position() const override { return position_; }
  Status snapshot() override;
  std::vector<Result<IndexHits>> search(std::span<const IndexSearch> searches) const override;
  IndexCounts counts() const override;
  Status purge_when_due() override;
  Offset purged() const override { return purged_; }
  Status settle() override;
  Status settle_quietly() override;

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
    RevisionRow revision;
    CollectionRow collection;
    std::vector<ChunkTerms> terms;
    SlotRange range;  // of this batch
  };
  // Rows of one revision, for the segment that grows.
  struct NewRows {
    std::span<const std::uint64_t> slots;
    std::span<const float> vectors;
    std::span<const ChunkTerms> terms;
    std::uint32_t collection = 0;
    std::string_view metadata;
  };

  Result<Arrival> arrive(const EmbeddingEvent& event) const;
  Status analyze(Arrival& arrival) const;
  Result<IndexChange> apply_new(Arrival& arrival);
  void put_rows(StoreBatch& batch, Arrival& arrival) const;
  void append(const Arrival& arrival);
  void append(const NewRows& rows);
  Status stage(StoreBatch& batch, const Arrival& arrival);
  Status swap(StoreBatch& batch, const Arrival& arrival, const DocumentRow& next);
  void flip(const Arrival& arrival, const DocumentRow& next,
            const std::vector<ChunkStore::Garbage>& garbage);
  void count(std::string_view key, const DocumentRow& row, int sign);
  Status write(StoreBatch& batch);
  void show_counts();

  // While opening: rows that are needed, in the order of their slots.
  struct Needed {
    SlotRange range;
    Audience audience = kDeadRow;
    std::uint32_t collection = 0;
  };
  using SealedSegments = std::vector<std::shared_ptr<const SealedSegment>>;
  Result<std::uint32_t> collection_of(std::string_view key) const;
  Status load_rows(std::vector<Needed>& needed);
  Status load_staged(std::vector<Needed>& needed);
  Result<SealedSegments> open_segments();
  Status load_segments(std::vector<Needed> needed);
  Result<std::string_view> load_segment(std::shared_ptr<const SealedSegment> segment,
                                        std::vector<Needed>& needed, std::size_t& next);
  Status load_from_store(std::span<const Needed> needed);
  Status load_piece(SlotRange piece, std::uint32_t collection);

  // The threads that make segments: of what is frozen, and of others.
  using Choose = std::function<std::optional<MergeChoice>(const Segments&)>;
  using ChooseBySize = std::optional<MergeChoice> (*)(std::span<const SegmentSize>, std::uint64_t);
  static Choose by_size(ChooseBySize choose);
  Result<bool> seal(const std::stop_token& stop);
  Result<bool> merge(const Choose& choose, const std::stop_token& stop);
  Result<bool> make_segment(const Choose& choose, const std::stop_token& stop);
  Status replace(std::span<const SegmentSource> sources, std::shared_ptr<const SealedSegment> made);
  Status wait_for_room();

  // Of what died: see partition_purge.cc.
  Status begin_purge();
  Status end_purge();
  Result<bool> purge_some(const std::stop_token& stop);
  Status note_removed();  // once, while opening

  Status replace_snapshot();
  Status copy_to(const std::filesystem::path& directory);
  void note_damage(const Error& error) const;
  std::filesystem::path segments_directory() const { return options_.directory / "segments"; }

  const IndexOptions options_;
  std::unique_ptr<ChunkStore> store_;
  Staging staging_;
  std::vector<ChunkStore::Garbage> garbage_;  // to be removed by the next write
  bool changed_ = false;                      // since the last checkpoint
  std::atomic<Offset> position_ = 0;          // of the last checkpoint, for who searches

  // Shared to note what may be seen, alone to change it: memory only, no I/O.
  mutable IndexLock lock_;
  Segments segments_;
  Audiences audiences_;
  std::map<std::string, CollectionRow, std::less<>> collections_;
  IndexCounts counts_;  // documents and chunks: what it applied; the rest is asked for

  std::atomic<std::uint64_t> last_name_{0};  // of a segment's folder
  std::mutex files_mutex_;                   // held while folders are removed or copied
  std::atomic<std::uint64_t> segments_made_{0};
  std::uint64_t segments_copied_ = 0;  // segments_made_ at the last snapshot
  std::atomic<std::uint64_t> merges_{0};

  enum class Purge { none, running, done };
  std::atomic<Purge> purge_{Purge::none};
  std::atomic<std::uint64_t> purge_names_{0};  // segments up to this one may hold what died
  std::optional<Clock::Steady> died_at_;       // the first that no purge has covered
  Offset purging_ = 0;                         // what the running one covers
  Offset purged_ = 0;

  IndexProbe probe_;

  // The last members: they end before the others go. Two, lest what waits in memory waits for a
  // merge of minutes.
  Background merger_;
  Background sealer_;
};

}  // namespace millrace
