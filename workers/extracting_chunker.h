#pragma once

#include <memory>
#include <span>
#include <vector>

#include "workers/runtime/generations.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `documents` to `chunks.gN`, for a generation that is made of the documents themselves: what the
// extractor says of a document goes to the chunker at once, and to no topic, since `texts` stay
// those of the other generations. One runner's thread.
class ExtractingChunker final : public Stage {
 public:
  // `generations` outlives it.
  ExtractingChunker(std::unique_ptr<Stage> extractor, std::unique_ptr<Stage> chunker,
                    const Generations& generations, int generation);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  // The document's progress in this generation: failed, with the error's message.
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  Result<Outputs> process_one(const Record& record);

  const std::unique_ptr<Stage> extractor_;
  const std::unique_ptr<Stage> chunker_;
  const Generations& generations_;
  const int generation_;
};

}  // namespace millrace
