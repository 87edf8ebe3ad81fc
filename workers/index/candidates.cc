#include "workers/index/candidates.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "workers/index/index.h"

namespace millrace {

std::vector<LegHit> merge_best(std::span<const LegHit> hits, std::span<const LegHit> more,
                               std::size_t count) {
  const auto better = [](const LegHit& a, const LegHit& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::tie(a.segment, a.row) < std::tie(b.segment, b.row);
  };
  std::vector<LegHit> all(hits.size() + more.size());
  std::ranges::merge(hits, more, all.begin(), better);
  all.resize(std::min(count, all.size()));
  return all;
}

std::vector<Candidate> unite(std::span<const LegHit> dense, std::span<const LegHit> lexical) {
  std::vector<Candidate> candidates;
  candidates.reserve(dense.size() + lexical.size());
  for (const LegHit& hit : dense) candidates.push_back({hit.segment, hit.row, hit.score});
  for (const LegHit& hit : lexical) candidates.push_back({hit.segment, hit.row, {}});
  const auto place = [](const Candidate& each) { return std::pair{each.segment, each.row}; };
  std::ranges::stable_sort(candidates, {}, place);  // of a row that is there twice the dense one
  const auto repeated = std::ranges::unique(candidates, {}, place);
  candidates.erase(repeated.begin(), repeated.end());
  return candidates;
}

std::vector<std::size_t> possible_best(std::span<const Candidate> candidates,
                                       const Weighing& weighing) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto best =
      order.begin() + static_cast<std::ptrdiff_t>(std::min(weighing.count, candidates.size()));
  const bool has_words = weighing.bm25_max > 0;
  std::vector<bool> taken(candidates.size());
  std::vector<std::size_t> chosen;
  for (int step = kWeighings - 1; step >= 0; --step) {
    const float nearness = static_cast<float>(step) / (kWeighings - 1);
    if (nearness > 0 && !weighing.has_vector) continue;  // with words alone there is one weighing
    if (nearness < 1 && !has_words) break;               // and with nearness alone
    const auto score = [&](std::size_t at) {
      const Candidate& candidate = candidates[at];
      const float cosine = candidate.cosine.value_or(0);
      const float words = has_words ? std::min(1.0F, candidate.bm25 / weighing.bm25_max) : 0;
      // As the gather's fuse() has them. Where one score is all the same, the other one decides.
      return std::tuple{nearness * std::clamp(cosine, 0.0F, 1.0F) + (1 - nearness) * words, cosine};
    };
    std::partial_sort(order.begin(), best, order.end(), [&](std::size_t a, std::size_t b) {
      const auto left = score(a);
      const auto right = score(b);
      return left != right ? left > right : a < b;
    });
    for (auto at = order.begin(); at != best; ++at) {
      if (!taken[*at]) chosen.push_back(*at);
      taken[*at] = true;
    }
  }
  return chosen;
}

}  // namespace millrace
