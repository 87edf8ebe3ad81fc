#pragma once

#include "common/clock.h"
#include "workers/index/index_set.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `embeddings.gN` to the indexes, each partition to its own. Sends `document-events` (indexed,
// deleted) and tombstones for embeddings records that a newer revision has made superfluous. One
// runner's thread; the set and the clock outlive it.
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

 private:
  Result<Outputs> apply(const Record& record);

  IndexSet& indexes_;
  const Clock& clock_;
};

}  // namespace millrace
