#include "workers/answerer/ranking.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "workers/index/bm25.h"
#include "workers/index/fusion.h"
#include "workers/index/rerank.h"

namespace millrace {
namespace {

constexpr double kNowhere = -std::numeric_limits<double>::infinity();

struct Candidate {
  Passage passage;
  double nearness = kNowhere;  // the cosine, if it is one
  double bm25 = 0;
};

// Counts of any size: their sum stays one.
std::uint64_t plus(std::uint64_t sum, std::int64_t count) {
  const auto more = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  return std::min<std::uint64_t>(sum + more, INT64_MAX);
}

// What BM25 knows of the question's collection, from all partitions together.
class WordWeights {
 public:
  // `found` outlives it.
  explicit WordWeights(std::span<const PassagesEvent> found) {
    std::uint64_t rows = 0;
    std::uint64_t terms = 0;
    std::map<std::string_view, std::uint64_t> rows_with;
    for (const PassagesEvent& event : found) {
      rows = plus(rows, event.evidence.rows);
      terms = plus(terms, event.evidence.terms);
      for (const LexicalEvidence::Word& word : event.evidence.words) {
        std::uint64_t& with = rows_with[word.word];
        with = plus(with, word.rows);
      }
    }
    mean_length_ = bm25_mean_length(rows, terms);
    for (const auto& [word, with] : rows_with) {
      const float weight = bm25_idf(rows, with);
      weights_.emplace(word, weight);
      sum_ += static_cast<double>(weight);
    }
  }

  double sum() const { return sum_; }

  std::vector<float> of(const LexicalEvidence& evidence) const {
    std::vector<float> weights;
    weights.reserve(evidence.words.size());
    for (const auto& word : evidence.words) weights.push_back(weights_.at(word.word));
    return weights;
  }

  // `weights` of its partition's words.
  double bm25(const PassageMatch& match, std::span<const float> weights) const {
    Bm25Sum sum{bm25_norm({}, match.length, mean_length_)};
    for (std::size_t i = 0; i < std::min(weights.size(), match.counts.size()); ++i) {
      for (const std::int64_t count : match.counts[i]) sum.add(weights[i], count);
    }
    return static_cast<double>(sum.score());
  }

 private:
  float mean_length_ = 1;
  std::map<std::string_view, float> weights_;
  double sum_ = 0;
};

bool comes_before(const Candidate& a, const Candidate& b) {
  if (a.nearness != b.nearness) return a.nearness > b.nearness;
  const auto identity = [](const Candidate& each) {
    return std::tie(each.passage.document_id, each.passage.start, each.passage.chunk_id);
  };
  return identity(a) != identity(b) ? identity(a) < identity(b) : a.bm25 > b.bm25;
}

// Out of `found`, in an order that depends on nothing but what they are; each chunk once.
std::vector<Candidate> candidates_of(std::span<PassagesEvent> found, const WordWeights& weights) {
  std::vector<Candidate> candidates;
  for (PassagesEvent& event : found) {
    const std::vector<float> partition_weights = weights.of(event.evidence);
    for (Passage& passage : event.passages) {
      Candidate candidate{std::move(passage)};
      if (const auto& match = candidate.passage.match) {
        const double cosine = match->cosine.value_or(kNowhere);
        if (std::isfinite(cosine)) candidate.nearness = cosine;
        candidate.bm25 = weights.bm25(*match, partition_weights);
      }
      candidates.push_back(std::move(candidate));
    }
  }
  std::sort(candidates.begin(), candidates.end(), comes_before);
  std::unordered_set<std::string> chunks;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !chunks.insert(candidate.passage.chunk_id).second;
  });
  return candidates;
}

Fusion weighed(SearchMode mode, std::span<const Candidate> candidates, double bm25_max) {
  std::vector<FusionCandidate> scores;
  scores.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    FusionCandidate& both = scores.emplace_back();
    if (mode != SearchMode::lexical) both.cosine = candidate.nearness;
    both.bm25 = candidate.bm25;
  }
  return fuse(scores, mode == SearchMode::dense ? 0 : bm25_max);
}

// The fused scores, highest first: the i-th passage of another order counts as much as the i-th of
// the fused one, so that they weigh the same against similarity.
std::vector<float> scores_by_place(std::span<const Passage> candidates) {
  std::vector<float> scores;
  for (const Passage& each : candidates) scores.push_back(static_cast<float>(each.score));
  std::ranges::sort(scores, std::greater{});
  return scores;
}

// Which of the candidates to show, in this order.
std::vector<std::size_t> places_of_chosen(const Query& query, std::span<const Passage> candidates) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (query.one_per_document) {
    std::vector<std::string_view> documents;
    for (const Passage& each : candidates) documents.push_back(each.document_id);
    order = one_per_document(documents, candidates.size());
  }
  const auto top_k = static_cast<std::size_t>(std::max<std::int64_t>(query.top_k, 0));
  if (!(query.diversity > 0)) {
    order.resize(std::min(order.size(), top_k));
    return order;
  }
  const std::vector<float> scores = scores_by_place(candidates);
  std::vector<DiverseHit> worth;
  for (const std::size_t i : order) {
    worth.push_back({.score = scores[i]});
    if (candidates[i].match) worth.back().vector = candidates[i].match->vector;
  }
  std::vector<std::size_t> positions =
      diverse(worth, 1.0F - static_cast<float>(query.diversity), top_k);
  for (std::size_t& position : positions) position = order[position];
  return positions;
}

ScoreExplanation explanation_of(const Query& query, const Candidate& candidate, const FusedHit& hit,
                                const Fusion& fusion) {
  ScoreExplanation explanation;
  explanation.dense = hit.dense;
  explanation.lexical = hit.lexical;
  explanation.dense_weight = fusion.dense_weight;
  explanation.lexical_weight = fusion.lexical_weight;
  if (std::isfinite(candidate.nearness)) explanation.cosine = candidate.nearness;
  if (query.sees_everything) explanation.bm25 = candidate.bm25;
  return explanation;
}

}  // namespace

std::vector<Passage> fused(const Query& query, std::vector<PassagesEvent> found) {
  const WordWeights weights{found};
  std::vector<Candidate> candidates = candidates_of(found, weights);
  const Fusion fusion = weighed(query.mode, candidates, weights.sum());
  std::vector<Passage> passages;
  passages.reserve(fusion.hits.size());
  for (const FusedHit& hit : fusion.hits) {
    Candidate& candidate = candidates[hit.candidate];
    Passage& passage = passages.emplace_back(std::move(candidate.passage));
    passage.score = hit.score;
    if (query.explain) passage.explanation = explanation_of(query, candidate, hit, fusion);
    if (passage.match) {
      std::vector<float> vector = std::move(passage.match->vector);
      passage.match = PassageMatch{};
      passage.match->vector = std::move(vector);
    }
  }
  return passages;
}

std::vector<Passage> reordered(const Query& query, std::vector<Passage> candidates,
                               std::span<const double> scores) {
  assert(scores.size() <= candidates.size());
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto read_end = order.begin() + static_cast<std::ptrdiff_t>(scores.size());
  std::stable_sort(order.begin(), read_end,
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<Passage> passages;
  passages.reserve(candidates.size());
  for (const std::size_t i : order) {
    if (query.explain && candidates[i].explanation && i < scores.size()) {
      candidates[i].explanation->rerank = scores[i];
    }
    passages.push_back(std::move(candidates[i]));
  }
  return passages;
}

std::vector<Passage> chosen(const Query& query, std::vector<Passage> candidates) {
  std::vector<Passage> passages;
  for (const std::size_t place : places_of_chosen(query, candidates)) {
    passages.push_back(std::move(candidates[place]));
    passages.back().match.reset();
  }
  return passages;
}

std::vector<Passage> ranked(const Query& query, std::vector<PassagesEvent> found) {
  return chosen(query, fused(query, std::move(found)));
}

}  // namespace millrace
