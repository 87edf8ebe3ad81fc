#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

// How far what comes now is from a reference: the first `window` samples against the newest ones.
// Pure, not thread-safe.

// Of vectors of length 1: the maximum mean discrepancy with the linear kernel, unbiased (Gretton et
// al., "A Kernel Two-Sample Test", JMLR 13, 2012, equation 3), as a distance: the square root, or 0
// where chance makes it negative. That is the distance between the two centroids, without what
// their finite size adds. 0: alike; 2 at most. Keeps sums only.
class VectorDrift {
 public:
  explicit VectorDrift(std::size_t window) : window_{window} {}

  // Vectors of another length than the first one's begin anew: the model is another one.
  void add(std::span<const float> vector);
  // Of the newest window, which moves on by an eighth of it. None: it has not been full yet.
  std::optional<double> distance() const { return distance_; }
  std::size_t reference_size() const { return reference_.count; }

 private:
  static constexpr std::size_t kBlocks = 8;
  struct Sum {
    std::size_t count = 0;
    double squares = 0;  // of the lengths
    std::vector<double> sum;
    void add(std::span<const float> vector);
    void add(const Sum& other);
  };
  double compare() const;

  const std::size_t window_;
  Sum reference_;
  Sum block_;  // being filled
  std::deque<Sum> recent_;
  std::optional<double> distance_;
};

// Of numbers: the population stability index (Siddiqi, "Credit Risk Scorecards", 2006) over the ten
// deciles of the reference: the sum of (p - q) ln(p / q). Below 0.1 nothing has changed, above 0.25
// much. Of two windows of n it is about 18 / n by chance alone: 0.09 of the smallest window.
class ScoreDrift {
 public:
  explicit ScoreDrift(std::size_t window) : window_{window} {}

  void add(double score);  // finite
  // None: the newest window has not been full yet.
  std::optional<double> index() const;
  std::size_t reference_size() const { return reference_.size(); }

 private:
  static constexpr std::size_t kDeciles = 10;
  std::size_t bin_of(double score) const;
  void make_bins();

  const std::size_t window_;
  std::vector<double> reference_;  // sorted once it is full
  std::vector<double> edges_;      // between the bins, ascending
  std::vector<std::size_t> expected_;
  std::vector<std::size_t> counts_;
  std::deque<double> recent_;
};

}  // namespace millrace
