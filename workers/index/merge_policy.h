#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace millrace {

// A segment as the choice of what to merge sees it.
struct SegmentSize {
  std::uint64_t rows = 0;
  std::uint64_t dead = 0;
  bool frozen = false;  // full, but in memory only
};

// Neighbours to be made one, without their dead rows. Nothing is left of those that have none else.
struct MergeChoice {
  std::size_t at = 0;
  std::size_t count = 0;
  bool operator==(const MergeChoice&) const = default;
};

// Frozen segments that should become files, several at once where they wait.
std::optional<MergeChoice> choose_seal(std::span<const SegmentSize> segments,
                                       std::uint64_t rows_max);

// Of the others: first those without living rows go, then the cheapest merge of neighbours that are
// of a size, then what is more than half dead is written anew; none when nothing is worth it.
// `rows_max`: of a merge's result.
std::optional<MergeChoice> choose_merge(std::span<const SegmentSize> segments,
                                        std::uint64_t rows_max);

// When nothing has changed for a while: the neighbours that leave the fewest segments. The largest
// is written anew only where the others add a tenth to it, so that a trickle of documents does not
// write a large index again and again.
std::optional<MergeChoice> choose_quiet_merge(std::span<const SegmentSize> segments,
                                              std::uint64_t rows_max);
inline constexpr std::uint64_t kQuietMergeShare = 10;

// Fewer are not merged. They are of a size when the largest has at most half the rows of the others
// together, so that a row is written log(rows) times.
inline constexpr std::size_t kMergeNeighbours = 4;
inline constexpr std::size_t kMergeNeighboursMax = 16;

}  // namespace millrace
