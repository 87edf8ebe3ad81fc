#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/bench_index_corpus.h"
#include "workers/index/inverted.h"

namespace millrace {

// The lexical leg alone over the same texts: one immutable inverted index, whose rows all count.
class BareWords {
 public:
  explicit BareWords(const BenchCorpus& corpus);
  void ask(std::span<const std::size_t> questions) const;
  double bytes_per_chunk() const;

 private:
  const BenchCorpus& corpus_;
  std::vector<std::string> languages_;
  std::string bytes_;
  std::unique_ptr<InvertedIndex> index_;
  Bitmap all_;
};

}  // namespace millrace
