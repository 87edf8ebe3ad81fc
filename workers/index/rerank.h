#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

// What may be done to a fused order. Both give positions in it, at most `count`.
namespace millrace {

struct DiverseHit {
  float score = 0;                     // 0 to 1
  std::span<const float> vector = {};  // length 1; empty, or of another size: like no other
};

// Maximal marginal relevance (Carbonell and Goldstein 1998): each next hit is the one with the
// highest lambda * score - (1 - lambda) * its cosine to the most similar hit before it. `hits` best
// first; only the first kDiverseHitsMax are moved, the others follow as they are. lambda 1, or one
// that is no number, changes nothing. README.md: costs quality where one passage answers the
// question.
std::vector<std::size_t> diverse(std::span<const DiverseHit> hits, float lambda, std::size_t count);

inline constexpr std::size_t kDiverseHitsMax = 100;  // takes these squared, times the dimensions

// The first hit of each document; `documents` has each hit's, best first.
std::vector<std::size_t> one_per_document(std::span<const std::string_view> documents,
                                          std::size_t count);

}  // namespace millrace
