#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "workers/index/vector_index.h"

namespace millrace {

// The best `size` of the rows that it is shown, equal scores by row. Not thread-safe.
class BestHits {
 public:
  explicit BestHits(std::size_t size) : size_{size} {}

  void add(Row row, float score) {
    const VectorHit hit{row, score};
    if (std::isnan(score)) return;  // of a query that has no numbers
    if (hits_.size() == size_) {
      if (size_ == 0 || !better(hit, hits_.front())) return;
      std::pop_heap(hits_.begin(), hits_.end(), better);
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), better);
  }

  std::size_t size() const { return size_; }

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
  std::vector<VectorHit> hits_;  // a heap, its worst in front
};

}  // namespace millrace
