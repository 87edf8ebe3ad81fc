#include "workers/index/chunk_terms.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kSampleBytes = 4'096;  // detection costs as much as analysis

}  // namespace

Analyzer& thread_analyzer() {
  thread_local Analyzer analyzer;
  return analyzer;
}

ChunkTerms::ChunkTerms(const Chunk& chunk, std::string_view title, std::string_view language) {
  DocumentRef document;
  document.title = title;
  // What the vector is made of: headings are found by their words too.
  thread_analyzer().analyze(text_to_embed(document, chunk), language, terms_);
  std::sort(terms_.begin(), terms_.end());
  for (const std::string& term : terms_) {
    if (counts_.empty() || counts_.back().term != term) counts_.push_back({term, 0});
    ++counts_.back().count;
  }
}

std::string language_of(std::span<const Chunk> chunks) {
  std::string sample;
  for (const Chunk& chunk : chunks) {
    if (sample.size() >= kSampleBytes) break;
    sample.append(chunk.text, 0, kSampleBytes - sample.size());
    sample.push_back('\n');
  }
  return detect_language(sample);
}

}  // namespace millrace
