#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "workers/index/audiences.h"
#include "workers/index/bitmap.h"
#include "workers/index/merge_policy.h"
#include "workers/index/row_codec.h"
#include "workers/index/segment.h"
#include "workers/index/segment_builder.h"

namespace millrace {

// The rows of a segment that somebody may see: of one collection.
struct VisibleRows {
  Bitmap rows;
  std::size_t count = 0;

  // How long they are together: of many rows a walk, and so only once. Needs what
  // Segment::length() does.
  CollectionLength length(const Segment& segment, std::uint32_t collection) const;

 private:
  mutable std::once_flag walked_;
  mutable CollectionLength length_;
};

// A segment as it was at one moment.
struct SegmentView {
  std::shared_ptr<const Segment> segment;
  bool grows = false;
  std::size_t rows = 0;
};

// The segments of a partition, in the order of their slots. Beside each, in memory, is who may see
// each row: rights and deletions are one. Only the last one grows. Not thread-safe: the owner calls
// non-const functions under its unique lock, the others under its shared one.
class Segments {
 public:
  // The last segment where rows still fit; else null: begin() another.
  GrowingSegment* growing();
  void begin(std::shared_ptr<GrowingSegment> segment);  // freezes the one before
  void freeze();
  void freeze_dead();  // where some of its rows are dead
  // Counts a row that was added to growing(): nobody sees it.
  void count_row();
  // Behind all others; its rows are dead until set_audience().
  void append(std::shared_ptr<const SealedSegment> segment);
  void set_audience(SlotRange range, Audience audience);

  std::vector<SegmentView> views() const;
  // By segment: the rows with an audience that has a 1 in `table`; null where there are none.
  std::vector<std::shared_ptr<const VisibleRows>> visible(
      std::span<const std::uint8_t> table) const;

  // Without the one that grows.
  std::vector<SegmentSize> sizes() const;
  std::vector<SegmentSource> sources(MergeChoice choice) const;  // with the rows that are not dead
  // Puts `merged`, made of these sources, in their place; null: nothing was left. What died
  // meanwhile is dead in it. Gives back what it replaced, to be freed without the lock.
  std::vector<SegmentSource> replace(std::span<const SegmentSource> sources,
                                     std::shared_ptr<const SealedSegment> merged);

  std::vector<std::shared_ptr<const SealedSegment>> sealed() const;
  std::size_t size() const { return entries_.size(); }
  std::size_t frozen() const;
  std::uint64_t dead() const;
  // A sealed one with dead rows among those that `is_old`.
  using IsOld = std::function<bool(const SealedSegment&)>;
  std::optional<MergeChoice> dead_among(const IsOld& is_old) const;
  std::uint64_t memory_bytes() const;  // about; mapped files included

 private:
  // What common askers saw of a segment, and when. Thread-safe.
  class VisibleCache {
   public:
    struct Known {
      std::vector<std::uint8_t> table;
      std::uint64_t changes = 0;
      std::shared_ptr<const VisibleRows> rows;
    };
    Known find(std::span<const std::uint8_t> table);  // without rows: not known
    void put(Known known);

   private:
    std::mutex mutex_;
    std::vector<Known> known_;  // at most kKnownMax, the last used first
  };
  struct Entry {
    std::shared_ptr<GrowingSegment> growing;  // one of them
    std::shared_ptr<const SealedSegment> sealed;
    bool frozen = false;
    std::vector<Audience> audiences;  // by row
    std::uint64_t dead = 0;
    std::uint64_t changes = 0;  // of audiences, row by row
    std::vector<Row> changed;   // the rows of the last ones, at most kChangedMax
    std::unique_ptr<VisibleCache> cache = std::make_unique<VisibleCache>();

    void note_change(std::size_t row);
    const Segment& segment() const;
    std::uint64_t first_slot() const { return segment().slots()[0]; }
    std::uint64_t last_slot() const { return segment().slots()[audiences.size() - 1]; }
  };

  std::shared_ptr<const VisibleRows> visible(const Entry& entry,
                                             std::span<const std::uint8_t> table) const;

  std::vector<Entry> entries_;
};

}  // namespace millrace
