#pragma once

#include <chrono>
#include <vector>

#include "common/clock.h"
#include "common/metrics.h"
#include "workers/runtime/stage.h"
#include "workers/sweeper/sweep_state.h"

namespace millrace {

// How long an upload may take from its first segment to its record; as in the embedded log.
inline constexpr std::chrono::hours kOrphanAge{24};

struct SweeperOptions {
  // Of its inputs: where there is no state of one, it is read from the beginning.
  std::vector<TopicPartition> partitions;
  std::chrono::milliseconds orphan_age = kOrphanAge;
};

// Removes the segments of superseded records, over Kafka, which compacts by key and so never does.
// (The embedded log does it itself.) Reads compacted topics, and writes tombstones into them, as
// the *unsegmented* base log has them: a segmenting view hides the segments from it and would take
// the header off its tombstones. Each tombstone stands in the partition of its segment and carries
// `segments: part`, so that every reader passes over it.
//
// A segment goes when the record that lists it is superseded, or when no record has listed it
// within `orphan_age`: by the time of its partition, which is the greatest timestamp that came so
// far, none of them counting for later than now. Looks at keys and headers only and refuses no
// record. One runner's thread; `state`, `clock` and `metrics` outlive it.
//
// Has no checkpoint: its state becomes durable when the next batch shows that the log has committed
// (see PartitionState), so that what comes again gives its tombstones again.
class Sweeper : public Stage {
 public:
  Sweeper(SweepState& state, SweeperOptions options, const Clock& clock, MetricsRegistry& metrics);

  // After a failure of the state the rest of the batch fails with it: no record may be applied
  // before an earlier one.
  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Offsets restored() const override;

 private:
  Result<Outputs> apply(const Record& record, PartitionState& partition);

  SweepState& state_;
  const SweeperOptions options_;
  const Clock& clock_;
  const Counter swept_segments_;
};

}  // namespace millrace
