#include "workers/index/candidates.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "workers/index/index.h"

namespace millrace {

void keep_best(std::vector<LegHit>& hits, std::size_t count) {
  const auto better = [](const LegHit& a, const LegHit& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::tie(a.segment, a.row) < std::tie(b.segment, b.row);
  };
  const std::size_t kept = std::min(count, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(),
                    better);
  hits.resize(kept);
}

std::vector<Candidate> unite(std::span<const LegHit> dense, std::span<const LegHit> lexical) {
  std::map<std::pair<std::size_t, Row>, std::optional<float>> rows;
  for (const LegHit& hit : dense) rows[{hit.segment, hit.row}] = hit.score;
  for (const LegHit& hit : lexical) rows.try_emplace({hit.segment, hit.row});
  std::vector<Candidate> candidates;
  candidates.reserve(rows.size());
  for (const auto& [place, cosine] : rows) {
    candidates.push_back({place.first, place.second, cosine});
  }
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
