#pragma once

#include <chrono>
#include <map>

#include "common/clock.h"
#include "schemas/index_state.h"
#include "workers/index/index_set.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `embeddings.gN` to the indexes, each partition to its own. Sends `document-events` (indexed,
// deleted), tombstones for embeddings records that a newer revision has made superfluous, and
// `index-states`. One runner's thread; the set and the clock outlive it.
class Indexer : public Stage {
 public:
  Indexer(IndexSet& indexes, const Clock& clock);

  // After a record that could not be applied, the later ones of its partition fail with it: applied
  // before it, they would be overtaken by it when it comes again.
  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;
  Status checkpoint(const Offsets& consumed) override;
  // Of every partition of the set; 0 where the index is new, as all its records are wanted then.
  Offsets restored() const override;
  // The state of each assigned partition, where it is not what is on the topic already.
  Outputs report(const std::vector<TopicPartition>& assigned) override;
  void reported() override;

  // Between two reports: each counts what the index has, and is a commit where nothing else is.
  static constexpr std::chrono::milliseconds kReportInterval{500};

 private:
  Result<Outputs> apply(const Record& record);

  IndexSet& indexes_;
  const Clock& clock_;
  Clock::Steady next_report_{};
  std::map<std::int32_t, IndexState> reporting_;  // by partition: in the commit that is under way
  std::map<std::int32_t, IndexState> reported_;   // on the topic, as long as the partition is ours
};

}  // namespace millrace
