#include "workers/index/merge_policy.h"

#include <algorithm>

namespace millrace {
namespace {

std::uint64_t live(const SegmentSize& segment) { return segment.rows - segment.dead; }

std::optional<MergeChoice> cheapest_neighbours(std::span<const SegmentSize> segments,
                                               std::uint64_t rows_max) {
  std::optional<MergeChoice> best;
  std::uint64_t best_rows = 0;
  for (std::size_t at = 0; at < segments.size(); ++at) {
    std::uint64_t rows = 0;
    std::uint64_t largest = 0;
    const std::size_t end = std::min(segments.size(), at + kMergeNeighboursMax);
    for (std::size_t next = at; next < end; ++next) {
      rows += live(segments[next]);
      largest = std::max(largest, live(segments[next]));
      if (segments[next].frozen || rows > rows_max || (best && rows >= best_rows)) break;
      if (next - at + 1 < kMergeNeighbours || largest * 2 > rows - largest) continue;
      best = {at, next - at + 1};
      best_rows = rows;
    }
  }
  return best;
}

}  // namespace

std::optional<MergeChoice> choose_seal(std::span<const SegmentSize> segments,
                                       std::uint64_t rows_max) {
  for (std::size_t at = 0; at < segments.size(); ++at) {
    if (!segments[at].frozen) continue;
    MergeChoice choice{at, 1};
    std::uint64_t rows = live(segments[at]);
    for (std::size_t next = at + 1; next < segments.size(); ++next) {
      rows += live(segments[next]);
      if (!segments[next].frozen || rows > rows_max) break;
      if (++choice.count == kMergeNeighboursMax) break;
    }
    return choice;
  }
  return std::nullopt;
}

std::optional<MergeChoice> choose_merge(std::span<const SegmentSize> segments,
                                        std::uint64_t rows_max) {
  for (std::size_t at = 0; at < segments.size(); ++at) {
    if (!segments[at].frozen && live(segments[at]) == 0) return MergeChoice{at, 1};
  }
  if (const auto neighbours = cheapest_neighbours(segments, rows_max)) return neighbours;
  for (std::size_t at = 0; at < segments.size(); ++at) {
    const SegmentSize& segment = segments[at];
    if (!segment.frozen && segment.dead * 2 > segment.rows) return MergeChoice{at, 1};
  }
  return std::nullopt;
}

std::optional<MergeChoice> choose_quiet_merge(std::span<const SegmentSize> segments,
                                              std::uint64_t rows_max) {
  std::optional<MergeChoice> best;
  for (std::size_t at = 0; at < segments.size(); ++at) {
    std::uint64_t rows = 0;
    std::uint64_t largest = 0;
    const std::size_t end = std::min(segments.size(), at + kMergeNeighboursMax);
    for (std::size_t next = at; next < end; ++next) {
      rows += live(segments[next]);
      largest = std::max(largest, live(segments[next]));
      if (segments[next].frozen || rows > rows_max) break;
      const std::size_t count = next - at + 1;
      if ((rows - largest) * kQuietMergeShare < largest || count <= (best ? best->count : 1))
        continue;
      best = {at, count};
    }
  }
  return best;
}

}  // namespace millrace
