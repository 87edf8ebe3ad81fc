#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "workers/index/vector_index.h"

namespace millrace {

// The best `size` of the rows that it is shown, none that scores less than `floor`, equal scores by
// row. Not thread-safe.
class BestHits {
 public:
  explicit BestHits(std::size_t size, float floor = kNoFloor) : size_{size}, floor_{floor} {}

  void add(Row row, float score) {
    if (!(score >= floor_)) return;  // also what is no number: of a query that has none
    const VectorHit hit{row, score};
    if (hits_.size() == size_) {
      if (size_ == 0 || !better(hit, hits_.front())) return;
      std::pop_heap(hits_.begin(), hits_.end(), better);
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), better);
    if (hits_.size() == size_) floor_ = hits_.front().score;
  }

  std::size_t size() const { return size_; }
  float floor() const { return floor_; }
  std::size_t found() const { return hits_.size(); }

  // Best first.
  std::vector<VectorHit> take() {
    std::sort_heap(hits_.begin(), hits_.end(), better);
    return std::move(hits_);
  }

 private:
  static bool better(const VectorHit& a, const VectorHit& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  }

  std::size_t size_;
  float floor_;
  std::vector<VectorHit> hits_;  // a heap, its worst in front
};

// For each query; `floors`: of each, or empty.
inline std::vector<BestHits> best_hits(std::size_t queries, std::size_t size,
                                       std::span<const float> floors) {
  std::vector<BestHits> best;
  best.reserve(queries);
  for (std::size_t i = 0; i < queries; ++i) {
    best.emplace_back(size, floors.empty() ? kNoFloor : floors[i]);
  }
  return best;
}

}  // namespace millrace
