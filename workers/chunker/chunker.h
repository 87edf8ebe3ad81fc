#pragma once

#include "common/clock.h"
#include "workers/chunker/splitter.h"
#include "workers/model/tokenizer.h"
#include "workers/runtime/generations.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `texts` to `chunks.gN` in batches of kChunksPerRecord, and `document-events` (chunked), of the
// collections that are in its generation. A removal travels on. One runner's thread; what it
// borrows outlives it.
class Chunker : public Stage {
 public:
  Chunker(const Tokenizer& tokenizer, ChunkerOptions options, const Generations& generations,
          int generation, const Clock& clock);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  Outputs chunk(const TextEvent& event) const;

  const Tokenizer& tokenizer_;
  const ChunkerOptions options_;
  const Generations& generations_;
  const int generation_;
  const Clock& clock_;
};

}  // namespace millrace
