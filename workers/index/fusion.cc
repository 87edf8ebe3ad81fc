#include "workers/index/fusion.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace millrace {
namespace {

// From `floor` and `full` to 0 and 1.
struct Scale {
  double floor = 0;
  double full = 1;
  double operator()(double score) const {
    if (!std::isfinite(score)) return 0;
    return std::clamp((score - floor) / (full - floor), 0.0, 1.0);
  }
  bool means_something() const { return std::isfinite(full) && full > floor; }
};

// How far the best score stands out.
double rise(std::vector<double> scores) {
  const std::size_t rank = std::min(kRiseRank, scores.size());
  const auto last = scores.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::partial_sort(scores.begin(), last + 1, scores.end(), std::greater<>{});
  return scores.front() - *last + kRiseMin;
}

struct Leg {
  std::vector<double> scores;  // of the candidates, or empty: no evidence
  double weight = 0;
};

Leg leg_of(std::vector<double> scores, double share) {
  Leg leg;
  leg.weight = share * rise(scores);
  leg.scores = std::move(scores);
  return leg;
}

Leg dense_leg(std::span<const FusionCandidate> candidates, double floor, double share) {
  const Scale scale{floor, 1};
  const auto has_one = [](const FusionCandidate& candidate) {
    return candidate.cosine && std::isfinite(*candidate.cosine);
  };
  if (!scale.means_something() || std::ranges::none_of(candidates, has_one)) return {};
  std::vector<double> scores;
  scores.reserve(candidates.size());
  for (const FusionCandidate& candidate : candidates) {
    scores.push_back(candidate.cosine ? scale(*candidate.cosine) : 0);
  }
  return leg_of(std::move(scores), share);
}

// Words that match nowhere are evidence as well: the nearest passages have none of them.
Leg lexical_leg(std::span<const FusionCandidate> candidates, double bm25_max, double share) {
  const Scale scale{0, bm25_max};
  if (!scale.means_something() || candidates.empty()) return {};
  std::vector<double> scores;
  scores.reserve(candidates.size());
  for (const FusionCandidate& candidate : candidates) scores.push_back(scale(candidate.bm25));
  return leg_of(std::move(scores), share);
}

}  // namespace

Fusion fuse(std::span<const FusionCandidate> candidates, double bm25_max,
            const FusionOptions& options) {
  const double share = std::clamp(options.dense_share, 0.0, 1.0);
  const Leg dense = dense_leg(candidates, options.dense_floor, share);
  const Leg lexical = lexical_leg(candidates, bm25_max, 1 - share);
  const double sum = dense.weight + lexical.weight;

  Fusion fusion;
  if (sum > 0) {
    fusion.dense_weight = dense.weight / sum;
    fusion.lexical_weight = 1 - fusion.dense_weight;
  }
  fusion.hits.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    FusedHit hit{.candidate = i};
    if (!dense.scores.empty()) hit.dense = dense.scores[i];
    if (!lexical.scores.empty()) hit.lexical = lexical.scores[i];
    hit.score =
        std::min(1.0, fusion.dense_weight * hit.dense + fusion.lexical_weight * hit.lexical);
    fusion.hits.push_back(hit);
  }
  std::ranges::stable_sort(fusion.hits, [](const FusedHit& left, const FusedHit& right) {
    if (left.score != right.score) return left.score > right.score;
    return left.dense > right.dense;
  });
  return fusion;
}

}  // namespace millrace
