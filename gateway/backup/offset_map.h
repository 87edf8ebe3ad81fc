#pragma once

#include <map>
#include <optional>
#include <vector>

#include "common/log/record.h"

namespace millrace {

// Which offset each record of a backup has got in the log that it was restored into. Gaps that
// compaction has left are gone there, and other ones may have come.
class OffsetMap {
 public:
  // Both rise within a partition.
  void add(const TopicPartition& partition, Offset old, Offset restored);

  // Of a record of the backup.
  std::optional<Offset> of(const TopicPartition& partition, Offset old) const;
  // Of the last record before `old` or at it; empty: none is.
  std::optional<Offset> at_or_before(const TopicPartition& partition, Offset old) const;
  // Of the first record at `old` or behind it; else one past the last one, 0 where there is none.
  Offset at_or_after(const TopicPartition& partition, Offset old) const;

 private:
  struct Run {  // of records that follow one another in both logs
    Offset old = 0;
    Offset restored = 0;
    Offset count = 0;
  };
  using Runs = std::vector<Run>;
  // The first run that ends behind `old`.
  static Runs::const_iterator find(const Runs& runs, Offset old);
  const Runs& runs_of(const TopicPartition& partition) const;

  std::map<TopicPartition, Runs> runs_;
};

}  // namespace millrace
