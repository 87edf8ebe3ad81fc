#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

// One order out of the two legs of a search, nearness of vectors and BM25. Each leg's score becomes
// a share of the most that it can be, and the legs are added, weighed by how far each one's best
// hit rises above its tenth: a leg that cannot tell its hits apart (a model that does not know the
// language, words that are everywhere) says little. README.md has the measurements.
//
//   dense   = (cosine - dense_floor) / (1 - dense_floor)
//   lexical = bm25 / bm25_max                                     both kept within 0 to 1
//   rise    = a leg's best score - its tenth + kRiseMin
//   weight  = the leg's share * its rise / the sum of both        shares: dense_share and the rest
//   score   = dense weight * dense + lexical weight * lexical
//
// Scores are not stretched to the hits that happen to be there, so they compare between questions
// as far as cosines do: .6 means more than .3 wherever it is asked. They are no probabilities, and
// questions whose legs have other weights compare a little less.
namespace millrace {

// A passage with both legs' scores, whichever leg found it. A score that is not finite is none.
struct FusionCandidate {
  std::optional<double> cosine = {};  // none where the question or the passage has no vector
  double bm25 = 0;
};

struct FusionOptions {
  // Where both legs rise as far. Less than half, since good hits have cosines of about .6 and BM25
  // scores of about .45 of the most. Between .25 and .5 the quality hardly changes. 0 to 1.
  double dense_share = 0.4;
  // The cosine of texts that have nothing to do with one another, by this model: 0 for MiniLM,
  // about .7 for models of the E5 family (their authors' figure). 0 to below 1.
  double dense_floor = 0;
};

struct FusedHit {
  std::size_t candidate = 0;  // which of the candidates
  double dense = 0;           // 0 to 1, as above; of a leg without weight 0
  double lexical = 0;
  double score = 0;
};

// All candidates, best first; equal ones by the dense score, then as they came.
struct Fusion {
  double dense_weight = 0;  // these two add up to 1, or are 0 where no leg has evidence
  double lexical_weight = 0;
  std::vector<FusedHit> hits;
};

inline constexpr std::size_t kRiseRank = 10;  // a page of hits; 5 to 50 measure alike
inline constexpr double kRiseMin = 0.02;      // below, a difference of scores says nothing

// `bm25_max`: the BM25 score that no passage can exceed: the sum of the weights of the question's
// words, once each. Words that no text has count too, with the weight of a word in no row: a
// passage that has the one known word of ten does not match well. 0 where there are no words. A leg
// without evidence has no weight and the other one has it all.
//
// Takes n log n. Any scores and any bm25_max will do: nothing leaves 0 to 1.
Fusion fuse(std::span<const FusionCandidate> candidates, double bm25_max,
            const FusionOptions& options = {});

}  // namespace millrace
