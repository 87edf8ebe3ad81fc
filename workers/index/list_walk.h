#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

// Which lists of an IVF index a query visits: the nearest ones first, in rounds, until those that
// are left are hardly expected to hold a hit. A list's rows score about as its centroid does; how
// far from that, for this query, is learned from the rows that were compared, and taken as a normal
// distribution. What it foretells of the visited lists is set against what was found there, which
// mends it where the tail is another. A fixed number of lists compares too many rows for most
// queries and too few for some (Li et al., Improving Approximate Nearest Neighbor Search through
// Learned Adaptive Early Termination, SIGMOD 2020). Not thread-safe.
//
//   while (walk.begin_round(found, wanted, floor)) {
//     while (const auto list = walk.next()) walk.visit(*list, rows of it);
//     for each row of these lists: walk.compared(list, score);
//   }
class ListWalk {
 public:
  // `scores`: of the query with each list's centroid; `begins`: of each list among all rows, and
  // their end; `share` of the rows may be found. At most `rows_max` rows are compared, but for the
  // last list's. The spans must live as long.
  ListWalk(std::span<const float> scores, std::span<const std::uint32_t> begins, double share,
           std::size_t rows_max);

  // `found`: hits so far, of `wanted`; what scores less than `floor` would be none. False: enough.
  bool begin_round(std::size_t found, std::size_t wanted, float floor);
  // The next list of this round.
  std::optional<std::uint32_t> next();
  // It has so many rows that may be found.
  void visit(std::uint32_t list, std::size_t rows);
  void compared(std::uint32_t list, float score) {
    const double residual = static_cast<double>(score) - scores_[list];
    squares_ += residual * residual;
  }

 private:
  struct Visited {
    std::uint32_t list = 0;
    std::size_t rows = 0;
  };

  bool is_enough(std::size_t found, float floor) const;

  std::span<const float> scores_;
  std::span<const std::uint32_t> begins_;
  const double share_;
  const std::size_t rows_max_;
  std::vector<std::uint32_t> left_;  // a heap, the nearest in front
  std::vector<Visited> visited_;
  std::size_t rows_ = 0;       // of the visited lists
  std::size_t round_end_ = 0;  // so many rows end the round
  double squares_ = 0;         // of the residuals
};

}  // namespace millrace
