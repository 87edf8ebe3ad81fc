#pragma once

#include <optional>
#include <span>
#include <vector>

#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

using Outputs = std::vector<Record>;  // empty: handled, nothing to send

// A function over a batch. One per runner, called from the runner's thread only. Knows nothing of
// offsets, transactions, retries, dead letters, metrics, traces or shutdown; never sleeps, retries
// or waits without a deadline; writes only to the topics that its row in stages.cc declares.
class Stage {
 public:
  virtual ~Stage() = default;

  // One result per record, in order (asserted). Ids are derived, so that a replay overwrites.
  // An error of kind `unavailable` or `fatal` on any record holds back the whole batch.
  virtual std::vector<Result<Outputs>> process(std::span<const Record> batch) = 0;

  // What to send when a record is given up (after its dead letter): progress, a failed answer.
  virtual Outputs given_up(const Record& record, const Error& error);

  // Stateful stages: makes everything processed so far durable, before the log commits.
  virtual Status checkpoint(const Offsets& consumed);
  // Where durable state stands. The runner starts at the lesser of this and the committed offset:
  // applying twice is harmless, missing an output is not. Partitions left out: the committed
  // offset.
  virtual Offsets restored() const;

  // What the stage says of itself, beside what records give: asked for at every commit, and every
  // now and then where nothing comes. Stands in one commit with outputs and offsets; once that is
  // stored, reported() follows. `assigned`: the partitions that this process reads now.
  virtual Outputs report(const std::vector<TopicPartition>& assigned);
  virtual void reported();

  // Concurrent stages answer records after process() returned: the offsets that may be committed,
  // at most `consumed`; the runner asks again as time goes by. Others: `consumed`.
  virtual Offsets settled(const Offsets& consumed);

  // Once, before the runner ends: finish or give up what is in flight.
  virtual void stop();
};

// The error that holds back the whole batch, if any; `fatal` before `unavailable`.
std::optional<Error> holding_back(const std::vector<Result<Outputs>>& results);

}  // namespace millrace
