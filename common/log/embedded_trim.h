#pragma once

#include <rocksdb/write_batch.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

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
  // What stands before an offset, of a topic kept by time: nobody sees it from then on.
  Status trim_before(TopicState& topic, std::int32_t partition, Offset before);
  // trim(), and all that nobody sees leaves the files, or is told to be purged from them.
  Status remove_what_is_over();
  // Rows that EmbeddedPurge found, when it has purged what they tell of.
  using MetaRow = std::pair<std::string, std::string>;
  Status forget_removed(const std::vector<MetaRow>& purged);
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
  Status move_begin(TopicState& topic, std::int32_t partition, Offset begin, bool sync);
  Status remove_from_disk(TopicState& topic, std::int32_t partition, std::uint64_t bytes_min);
  bool all_passed(const RecordRow& record, std::map<PartitionId, Offset>& lowest) const;

  const Parts parts_;
};

}  // namespace millrace
