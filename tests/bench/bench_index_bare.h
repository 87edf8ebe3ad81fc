#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/bench_index_corpus.h"

namespace faiss {
struct IndexFlat;
struct IndexIVFScalarQuantizer;
}  // namespace faiss

namespace millrace {

// The chunks nearest to each question, best first, by comparing all: what recall is measured by.
std::vector<std::vector<std::size_t>> exact_nearest(const BenchCorpus& corpus, std::size_t count);

// The share of the wanted ones that is among as many found, over all questions.
double recall_of(const std::vector<std::vector<std::size_t>>& found,
                 const std::vector<std::vector<std::size_t>>& wanted);

// FAISS alone over the same vectors: no writes, no deletes, no rights, no texts. Groups and a byte
// per coordinate (IVF, SQ8), and as many groups looked at as the wanted recall takes.
class BareVectors {
 public:
  BareVectors(const BenchCorpus& corpus, const std::vector<std::vector<std::size_t>>& exact,
              double recall_wanted);
  ~BareVectors();
  void ask(std::span<const std::size_t> questions) const;

  double build_seconds() const { return build_seconds_; }
  double recall() const { return recall_; }
  std::string description() const;
  double bytes_per_chunk() const;

 private:
  std::vector<std::vector<std::size_t>> nearest(std::span<const std::size_t> questions) const;

  const BenchCorpus& corpus_;
  std::unique_ptr<faiss::IndexFlat> centroids_;
  std::unique_ptr<faiss::IndexIVFScalarQuantizer> index_;
  double build_seconds_ = 0;
  double recall_ = 0;
};

}  // namespace millrace
