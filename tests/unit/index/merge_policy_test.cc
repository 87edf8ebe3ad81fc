#include "workers/index/merge_policy.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace millrace {
namespace {

constexpr std::uint64_t kNoLimit = 1ULL << 40U;

std::vector<SegmentSize> sizes(std::initializer_list<std::uint64_t> rows) {
  std::vector<SegmentSize> out;
  for (const std::uint64_t each : rows) out.push_back({each, 0, false});
  return out;
}

using Choice = std::optional<MergeChoice>;

TEST(MergePolicy, nothing_is_done_without_need) {
  EXPECT_EQ(choose_merge({}, kNoLimit), std::nullopt);
  EXPECT_EQ(choose_merge(sizes({8, 8, 8}), kNoLimit), std::nullopt);
  EXPECT_EQ(choose_merge(sizes({64, 16, 4, 1}), kNoLimit), std::nullopt);
}

TEST(MergePolicy, what_waits_in_memory_becomes_files_together) {
  std::vector<SegmentSize> segments = sizes({8, 8, 8, 8, 8, 8});
  segments[4].frozen = segments[5].frozen = true;
  EXPECT_EQ(choose_seal(segments, kNoLimit), (Choice{{4, 2}}));
  EXPECT_EQ(choose_seal(segments, 15), (Choice{{4, 1}})) << "not above what one may hold";
  EXPECT_EQ(choose_merge(segments, kNoLimit), (Choice{{0, 4}})) << "beside it";
  segments[1].frozen = true;
  EXPECT_EQ(choose_seal(segments, kNoLimit), (Choice{{1, 1}}));
  EXPECT_EQ(choose_merge(segments, kNoLimit), std::nullopt);
  segments[1].dead = 8;
  EXPECT_EQ(choose_merge(segments, kNoLimit), std::nullopt);
}

TEST(MergePolicy, segments_without_living_rows_go) {
  std::vector<SegmentSize> segments = sizes({8, 8, 8});
  segments[1].dead = 8;
  EXPECT_EQ(choose_merge(segments, kNoLimit), (Choice{{1, 1}}));
}

TEST(MergePolicy, the_cheapest_neighbours_of_a_size_are_merged) {
  EXPECT_EQ(choose_merge(sizes({8, 8, 8, 8}), kNoLimit), (Choice{{0, 4}}));
  EXPECT_EQ(choose_merge(sizes({32, 32, 32, 32, 8, 8, 8, 8}), kNoLimit), (Choice{{4, 4}}));
  EXPECT_EQ(choose_merge(sizes({100, 8, 8, 8}), kNoLimit), std::nullopt)
      << "the large one would be written again and again";
  EXPECT_EQ(choose_merge(sizes({8, 8, 8, 8}), 31), std::nullopt);
}

TEST(MergePolicy, living_rows_count_and_the_half_dead_are_written_anew) {
  std::vector<SegmentSize> segments = sizes({100, 8, 8});
  segments[0].dead = 50;
  EXPECT_EQ(choose_merge(segments, kNoLimit), std::nullopt);
  segments[0].dead = 51;
  EXPECT_EQ(choose_merge(segments, kNoLimit), (Choice{{0, 1}}));
  segments = sizes({100, 8, 8, 8});
  segments[0].dead = 92;
  EXPECT_EQ(choose_merge(segments, kNoLimit), (Choice{{0, 4}}));
}

TEST(MergePolicy, quiet_time_leaves_few_segments) {
  EXPECT_EQ(choose_quiet_merge({}, kNoLimit), std::nullopt);
  EXPECT_EQ(choose_quiet_merge(sizes({100}), kNoLimit), std::nullopt);
  EXPECT_EQ(choose_quiet_merge(sizes({100, 32, 8}), kNoLimit), (Choice{{0, 3}}));
  EXPECT_EQ(choose_quiet_merge(sizes({1'000, 32, 8}), kNoLimit), (Choice{{1, 2}}))
      << "the large one would be written for a twentieth more";
  EXPECT_EQ(choose_quiet_merge(sizes({1'000, 40}), kNoLimit), std::nullopt);
  EXPECT_EQ(choose_quiet_merge(sizes({100, 32, 8}), 60), (Choice{{1, 2}}));
  std::vector<SegmentSize> segments = sizes({100, 32, 8});
  segments[2].frozen = true;
  EXPECT_EQ(choose_quiet_merge(segments, kNoLimit), (Choice{{0, 2}}));
}

// Rows come in segments of one size, die at random, and whatever is chosen is done: segments stay
// few, and a row is not written often.
TEST(MergePolicy, keeps_segments_few_and_writes_rows_a_few_times) {
  for (const unsigned deaths : {0U, 30U, 70U}) {
    std::mt19937 random{deaths};
    std::vector<SegmentSize> segments;
    std::uint64_t written = 0;
    constexpr std::uint64_t kRows = 100;
    constexpr int kSegments = 1'000;
    for (int i = 0; i < kSegments; ++i) {
      segments.push_back({kRows, 0, true});
      for (unsigned death = 0; death < deaths; ++death) {
        SegmentSize& unlucky = segments[random() % segments.size()];
        if (unlucky.dead < unlucky.rows) ++unlucky.dead;
      }
      for (;;) {
        Choice choice = choose_seal(segments, kNoLimit);
        if (!choice) choice = choose_merge(segments, kNoLimit);
        if (!choice) break;
        const auto begin = segments.begin() + static_cast<std::ptrdiff_t>(choice->at);
        const auto end = begin + static_cast<std::ptrdiff_t>(choice->count);
        const std::uint64_t rows = std::accumulate(
            begin, end, std::uint64_t{0},
            [](std::uint64_t sum, const SegmentSize& each) { return sum + each.rows - each.dead; });
        const auto place = segments.erase(begin, end);
        if (rows > 0) segments.insert(place, {rows, 0, false});
        written += rows;
      }
      ASSERT_LE(segments.size(), 30U) << "after " << i << ", deaths " << deaths;
    }
    EXPECT_LE(written, kRows * kSegments * 9) << "deaths " << deaths;
  }
}

}  // namespace
}  // namespace millrace
