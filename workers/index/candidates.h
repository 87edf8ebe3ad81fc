#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workers/index/bitmap.h"

// What the two legs of a search find in the segments of a partition, and which of it may be among
// the best of all partitions.
namespace millrace {

struct LegHit {
  std::size_t segment = 0;  // which one, in the order of their slots
  Row row = 0;
  float score = 0;
};

// The best `count` of both. All are best first, equal scores by slot.
std::vector<LegHit> merge_best(std::span<const LegHit> hits, std::span<const LegHit> more,
                               std::size_t count);

// A row that at least one leg found; with both scores.
struct Candidate {
  std::size_t segment = 0;
  Row row = 0;
  std::optional<float> cosine = {};  // none: the question has no vector
  float bm25 = 0;
  std::int64_t length = 0;
  std::vector<std::uint32_t> counts = {};  // by term of the question
};

// Each row once, by slot; with the cosine where the dense leg has it.
std::vector<Candidate> unite(std::span<const LegHit> dense, std::span<const LegHit> lexical);

struct Weighing {
  bool has_vector = false;  // nearness counts
  float bm25_max = 0;       // what no row exceeds; 0: words do not count
  std::size_t count = 10;   // of each weighing
};
// Those that are among the best `count` for one of kWeighings (index.h) weighings of both legs,
// which may come to be applied when all partitions are known: each once, first those of nearness
// alone, best first. Positions in `candidates`.
std::vector<std::size_t> possible_best(std::span<const Candidate> candidates,
                                       const Weighing& weighing);

}  // namespace millrace
