#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/chunk.h"
#include "workers/index/inverted.h"
#include "workers/text/analyzer.h"

namespace millrace {

// An analyzer is costly to make and not to be shared: each thread keeps one.
Analyzer& thread_analyzer();

// By which terms a chunk is found, and how often each occurs. The same chunk, title and language
// always have the same.
class ChunkTerms {
 public:
  ChunkTerms(const Chunk& chunk, std::string_view title, std::string_view language);
  ChunkTerms(ChunkTerms&&) = default;
  ChunkTerms& operator=(ChunkTerms&&) = default;
  std::span<const TermCount> counts() const { return counts_; }

 private:
  std::vector<std::string> terms_;  // what `counts_` looks into; stays where it is when moved
  std::vector<TermCount> counts_;
};

// The language of a revision, by the beginning of its first batch.
std::string language_of(std::span<const Chunk> chunks);

}  // namespace millrace
