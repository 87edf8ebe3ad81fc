#pragma once

#include <rocksdb/write_batch.h>

#include <chrono>
#include <map>

#include "common/log/embedded_state.h"
#include "common/log/embedded_store.h"

namespace millrace {

class EmbeddedLane;

// A tombstone, once every group and open reader has passed it, is kept for this long; so are the
// segments of a record that never came (those of an earlier process go when the log is opened).
inline constexpr std::chrono::hours kTombstoneRetention{24};
inline constexpr std::chrono::hours kUnclaimedSegmentRetention{24};

// Removes what a lane need not keep any longer. The writer thread's.
class EmbeddedTrimmer {
 public:
  struct Parts {
    EmbeddedStore& store;
    TopicTable& topics;
    GroupTable& groups;
    const EmbeddedLane& lane;
    const Clock& clock;
  };
  explicit EmbeddedTrimmer(const Parts& parts) : parts_(parts) {}

  // Everything below; a failure is logged and tried again the next time.
  void trim();

  Status trim_by_time(TopicState& topic, std::int32_t partition);
  // The same of a compacted topic, whose keys go with their records.
  Status expire(TopicState& topic, std::int32_t partition);
  // A topic as a whole, from then on `deleted`. What is in `meta` of its tombstones and unclaimed
  // segments goes when they are trimmed.
  Status remove_topic(TopicState& topic);
  Status trim_tombstones();
  Status drop_unclaimed_segments(Clock::Wall written_before);

 private:
  Result<bool> is_older(const TopicState& topic, std::int32_t partition, Offset offset,
                        Clock::Wall cutoff) const;
  Result<Offset> first_since(TopicState& topic, std::int32_t partition, Clock::Wall cutoff) const;
  Status add_expired(PartitionId id, const Record& record, rocksdb::WriteBatch& batch) const;
  Status remove_from_disk(TopicState& topic, std::int32_t partition, Offset begin);
  bool all_passed(const RecordRow& record, std::map<PartitionId, Offset>& lowest) const;

  const Parts parts_;
};

}  // namespace millrace
