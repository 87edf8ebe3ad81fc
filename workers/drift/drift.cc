#include "workers/drift/drift.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace millrace {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

void VectorDrift::Sum::add(std::span<const float> vector) {
  if (sum.empty()) sum.resize(vector.size());
  ++count;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const double value = vector[i];
    sum[i] += value;
    squares += value * value;
  }
}

void VectorDrift::Sum::add(const Sum& other) {
  if (sum.empty()) sum.resize(other.sum.size());
  count += other.count;
  squares += other.squares;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other.sum[i];
}

// The mean of the products of two different ones of the same side: |sum|^2 has each pair twice, and
// each with itself.
double VectorDrift::compare() const {
  Sum recent;
  for (const Sum& each : recent_) recent.add(each);
  const auto within = [](const Sum& side) {
    const auto n = static_cast<double>(side.count);
    return (dot(side.sum, side.sum) - side.squares) / (n * (n - 1));
  };
  const double between = dot(reference_.sum, recent.sum) / (static_cast<double>(reference_.count) *
                                                            static_cast<double>(recent.count));
  return std::sqrt(std::max(0.0, within(reference_) + within(recent) - 2 * between));
}

void VectorDrift::add(std::span<const float> vector) {
  if (reference_.count != 0 && reference_.sum.size() != vector.size()) {
    reference_ = {};
    block_ = {};
    recent_.clear();
    distance_.reset();
  }
  if (reference_.count < window_) return reference_.add(vector);
  block_.add(vector);
  if (block_.count < (window_ + kBlocks - 1) / kBlocks) return;
  recent_.push_back(std::exchange(block_, {}));
  if (recent_.size() > kBlocks) recent_.pop_front();
  if (recent_.size() == kBlocks) distance_ = compare();
}

std::size_t ScoreDrift::bin_of(double score) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(edges_, score) - edges_.begin());
}

void ScoreDrift::make_bins() {
  std::ranges::sort(reference_);
  for (std::size_t i = 1; i < kDeciles; ++i) {
    edges_.push_back(reference_[reference_.size() * i / kDeciles]);
  }
  // Where many scores are the same there are fewer bins; and what is higher than the highest has
  // one of its own, if that is what many are.
  const double highest = reference_.back();
  if (edges_.back() == highest) edges_.push_back(std::nextafter(highest, HUGE_VAL));
  edges_.erase(std::unique(edges_.begin(), edges_.end()), edges_.end());
  expected_.assign(edges_.size() + 1, 0);
  counts_.assign(edges_.size() + 1, 0);
  for (const double each : reference_) ++expected_[bin_of(each)];
}

void ScoreDrift::add(double score) {
  if (reference_.size() < window_) {
    reference_.push_back(score);
    if (reference_.size() == window_) make_bins();
    return;
  }
  recent_.push_back(score);
  ++counts_[bin_of(score)];
  if (recent_.size() <= window_) return;
  --counts_[bin_of(recent_.front())];
  recent_.pop_front();
}

// Half a sample is added to each bin, so that an empty one does not make it infinite.
std::optional<double> ScoreDrift::index() const {
  if (recent_.size() < window_) return std::nullopt;
  const double total = static_cast<double>(window_) + 0.5 * static_cast<double>(counts_.size());
  double index = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const double p = (static_cast<double>(counts_[i]) + 0.5) / total;
    const double q = (static_cast<double>(expected_[i]) + 0.5) / total;
    index += (p - q) * std::log(p / q);
  }
  return index;
}

}  // namespace millrace
