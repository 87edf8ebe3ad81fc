#pragma once

#include <cstdint>
#include <vector>

#include "common/log/record.h"

namespace millrace {

// How far one runner has come in each partition: `resume`, past what is processed with its outputs
// stored, where to go on after a rewind; and `committed`, what the group has, which a concurrent
// stage leaves behind `resume` while records are in flight.
class Progress {
 public:
  // Forgets the partitions that are not in `assignment`.
  void retain(const std::vector<TopicPartition>& assignment);
  // The stage's state stands before the committed offset: begin there.
  void begin_at(const TopicPartition& partition, Offset offset);
  // The record is in hand: where the group stands is here or before, when nothing else is known.
  void found(const TopicPartition& partition, Offset offset);

  bool knows(const TopicPartition& partition) const { return resume_.contains(partition); }
  const Offsets& resume() const { return resume_; }
  // resume(), with what is being committed.
  Offsets with(const Offsets& consumed) const;
  // Of `settled`, at most `upto`, what the group does not have yet.
  Offsets to_commit(const Offsets& settled, const Offsets& upto) const;
  void committed(const Offsets& changed, const Offsets& upto);

  std::int64_t unsettled() const;  // records processed, not committed

 private:
  Offsets resume_;
  Offsets committed_;
};

}  // namespace millrace
