#pragma once

#include "common/clock.h"
#include "workers/chunker/splitter.h"
#include "workers/model/tokenizer.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `texts` to `chunks.gN` in batches of kChunksPerRecord, and `document-events` (chunked). A removal
// travels on. One runner's thread; tokenizer and clock outlive it.
class Chunker : public Stage {
 public:
  Chunker(const Tokenizer& tokenizer, ChunkerOptions options, int generation, const Clock& clock);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  Outputs chunk(const TextEvent& event) const;

  const Tokenizer& tokenizer_;
  const ChunkerOptions options_;
  const int generation_;
  const Clock& clock_;
};

}  // namespace millrace
