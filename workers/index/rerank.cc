#include "workers/index/rerank.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

namespace millrace {
namespace {

float cosine(std::span<const float> left, std::span<const float> right) {
  if (left.size() != right.size()) return 0;
  return std::inner_product(left.begin(), left.end(), right.begin(), 0.0F);
}

struct Waiting {
  std::size_t position = 0;
  float nearest = 0;  // cosine to the most similar hit that was taken; two that point away: 0
};

}  // namespace

std::vector<std::size_t> diverse(std::span<const DiverseHit> hits, float lambda,
                                 std::size_t count) {
  count = std::min(count, hits.size());
  const float weight = std::clamp(lambda, 0.0F, 1.0F);  // none that is a number stays so
  const std::size_t moved = weight < 1 ? std::min(hits.size(), kDiverseHitsMax) : 0;
  std::vector<Waiting> waiting;
  for (std::size_t i = 0; i < moved; ++i) waiting.push_back({.position = i});

  std::vector<std::size_t> order;
  order.reserve(count);
  const auto worth = [&](const Waiting& hit) {
    return weight * hits[hit.position].score - (1 - weight) * hit.nearest;
  };
  while (order.size() < count && !waiting.empty()) {
    auto best = waiting.begin();  // the first of equal ones
    for (auto hit = best + 1; hit != waiting.end(); ++hit) {
      if (worth(*hit) > worth(*best)) best = hit;
    }
    const std::size_t taken = best->position;
    order.push_back(taken);
    waiting.erase(best);
    for (Waiting& hit : waiting) {
      // In this order: a cosine that is no number changes nothing.
      hit.nearest = std::max(hit.nearest, cosine(hits[hit.position].vector, hits[taken].vector));
    }
  }
  for (std::size_t i = moved; order.size() < count; ++i) order.push_back(i);
  return order;
}

std::vector<std::size_t> one_per_document(std::span<const std::string_view> documents,
                                          std::size_t count) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < documents.size() && kept.size() < count; ++i) {
    if (seen.insert(documents[i]).second) kept.push_back(i);
  }
  return kept;
}

}  // namespace millrace
