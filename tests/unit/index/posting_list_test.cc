#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "workers/index/posting_cursor.h"

namespace millrace {
namespace {

TEST(LengthCode, keeps_five_leading_bits_and_the_order) {
  for (std::uint64_t length = 0; length < 32; ++length) {
    EXPECT_EQ(coded_length(length_code(length)), length);
  }
  for (std::uint64_t length = 1; length < 507'904; length += 1 + length / 100) {
    const std::uint32_t coded = coded_length(length_code(length));
    EXPECT_LE(coded, length);
    EXPECT_GT(coded + coded / 16.0 + 1, length);
    EXPECT_LE(length_code(length), length_code(length + 1));
  }
  EXPECT_EQ(length_code(507'904), 255);
  EXPECT_EQ(length_code(~std::uint64_t{0}), 255);
  for (unsigned code = 0; code < 256; ++code) {
    EXPECT_EQ(length_code(coded_length(static_cast<std::uint8_t>(code))), code);
  }
}

struct ListPosting {
  Row row;
  std::uint32_t count;
  std::uint8_t length;
};

std::vector<ListPosting> random_postings(std::mt19937& random, std::size_t size) {
  std::vector<ListPosting> postings;
  Row row = static_cast<Row>(random() % 3);
  for (std::size_t i = 0; i < size; ++i) {
    auto count = static_cast<std::uint32_t>(1 + random() % 5);
    if (random() % 300 == 0) count = ~std::uint32_t{0};
    if (random() % 50 == 0) count = static_cast<std::uint32_t>(254 + random() % 3);
    postings.push_back({row, count, static_cast<std::uint8_t>(random())});
    row += 1 + static_cast<Row>(random() % (random() % 40 == 0 ? 9'000 : 3));
  }
  return postings;
}

TEST(PostingList, gives_back_what_was_written) {
  std::mt19937 random{11};
  PostingListWriter writer;
  for (const std::size_t size : {1U, 2U, 127U, 128U, 129U, 256U, 257U, 3'000U}) {
    SCOPED_TRACE(size);
    const std::vector<ListPosting> postings = random_postings(random, size);
    for (const auto& [row, count, length] : postings) writer.add(row, count, length);
    ASSERT_EQ(writer.size(), size);
    const std::string bytes = std::string{writer.finish()} + std::string(8, '\0');
    const auto list = PostingList::open(std::string_view{bytes}.substr(0, bytes.size() - 8), size,
                                        postings.back().row + 1);
    ASSERT_TRUE(list);
    std::size_t at = 0;
    PostingList::Numbers rows;
    PostingList::Numbers counts;
    for (std::size_t block = 0; block < list->blocks(); ++block) {
      const std::size_t here = list->decode_rows(block, rows);
      ASSERT_EQ(here, std::min(kBlockPostings, size - at));
      list->decode_counts(block, counts);
      for (std::size_t i = 0; i < here; ++i, ++at) {
        ASSERT_EQ(rows[i], postings[at].row);
        ASSERT_EQ(counts[i], postings[at].count);
        ASSERT_EQ(list->count(block, i), postings[at].count);
      }
    }
    EXPECT_EQ(at, size);
    // One row fewer than it has: refused.
    const auto cut = PostingList::open(bytes, size, postings.back().row);
    EXPECT_TRUE(!cut || cut->decode_rows(cut->blocks() - 1, rows) == 0);
  }
}

bool bounds(const Maxima& maxima, const ListPosting& posting) {
  return std::any_of(maxima.begin(), maxima.end(), [&](const Impact& impact) {
    return (impact.count == Impact::kCountMax || impact.count >= posting.count) &&
           impact.length <= posting.length;
  });
}

TEST(PostingList, its_maxima_bound_every_posting_of_the_block_and_of_the_list) {
  std::mt19937 random{12};
  const std::vector<ListPosting> postings = random_postings(random, 5'000);
  PostingListWriter writer;
  for (const auto& [row, count, length] : postings) writer.add(row, count, length);
  const std::string bytes{writer.finish()};
  const auto list = PostingList::open(bytes, postings.size(), postings.back().row + 1);
  ASSERT_TRUE(list);
  for (std::size_t i = 0; i < postings.size(); ++i) {
    EXPECT_TRUE(bounds(list->maxima(i / kBlockPostings), postings[i]));
    EXPECT_TRUE(bounds(list->maxima(), postings[i]));
  }
}

// The bytes of a list with what may be read behind it.
std::string written(const std::vector<ListPosting>& postings) {
  PostingListWriter writer;
  for (const auto& [row, count, length] : postings) writer.add(row, count, length);
  return std::string{writer.finish()} + std::string(8, '\0');
}

std::optional<PostingList> opened(const std::string& bytes, std::size_t size, std::size_t rows) {
  return PostingList::open(std::string_view{bytes}.substr(0, bytes.size() - 8), size, rows);
}

TEST(PostingList, seeks_the_block_that_a_walk_over_all_would_find) {
  std::mt19937 random{13};
  for (const std::size_t size : {1U, 128U, 129U, 500U, 3'000U, 40'000U}) {
    const std::vector<ListPosting> postings = random_postings(random, size);
    const std::string bytes = written(postings);
    const auto list = opened(bytes, size, postings.back().row + 1);
    ASSERT_TRUE(list);
    for (int i = 0; i < 500; ++i) {
      const std::size_t from = random() % (list->blocks() + 1);
      const auto row = static_cast<Row>(random() % (postings.back().row + 2));
      std::size_t walked = from;
      while (size > kBlockPostings && walked < list->blocks() && list->last_row(walked) < row) {
        ++walked;
      }
      ASSERT_EQ(list->seek(from, row), walked) << size << ' ' << from << ' ' << row;
    }
  }
}

// Seeks and visits in turn: what it gives must be what the postings have there.
TEST(PostingCursor, goes_over_the_postings_in_steps_of_any_size) {
  std::mt19937 random{14};
  for (int round = 0; round < 300; ++round) {
    const std::vector<ListPosting> postings = random_postings(random, 1 + random() % 2'000);
    const std::string bytes = written(postings);
    const auto list = opened(bytes, postings.size(), postings.back().row + 1);
    ASSERT_TRUE(list);
    PostingCursor cursor{*list};
    std::size_t at = 0;
    const auto pass = [&](Row row) {
      while (at < postings.size() && postings[at].row < row) ++at;
    };
    for (Row row = 0; row <= postings.back().row + 1;) {
      row += static_cast<Row>(random() % (random() % 8 == 0 ? 3'000 : 5));
      if (random() % 2 == 0) {
        pass(row);
        ASSERT_EQ(cursor.seek(row), at < postings.size() ? postings[at].row : kNoRow);
        if (at == postings.size()) break;
        ASSERT_EQ(cursor.row(), postings[at].row);
        ASSERT_EQ(cursor.count(), postings[at].count);
      } else {
        const Row end = row + static_cast<Row>(random() % 400);
        pass(row);
        cursor.visit(row, end, [&](Row visited, std::uint32_t count) {
          ASSERT_LT(at, postings.size());
          ASSERT_EQ(visited, postings[at].row);
          ASSERT_EQ(count, postings[at].count);
          ++at;
        });
        ASSERT_TRUE(at == postings.size() || postings[at].row >= end);
        row = end;
      }
    }
  }
}

TEST(PostingCursor, of_damaged_bytes_ascends_in_bounds_and_ends) {
  std::mt19937 random{15};
  for (int round = 0; round < 3'000; ++round) {
    const std::vector<ListPosting> postings = random_postings(random, 1 + random() % 1'000);
    const Row rows = postings.back().row + 1;
    std::string bytes = written(postings);
    const std::size_t flips = 1 + random() % 4;
    for (std::size_t flip = 0; flip < flips; ++flip) {
      // Half of them in the table in front.
      const std::size_t range = random() % 2 == 0 ? bytes.size() : 8 + postings.size() / 8;
      bytes[random() % std::min(range, bytes.size())] = static_cast<char>(random());
    }
    const auto list = opened(bytes, postings.size(), rows);
    if (!list) continue;
    Row next = 0;
    PostingCursor{*list}.visit(0, kNoRow, [&](Row row, std::uint32_t count) {
      ASSERT_GE(row, next);
      ASSERT_LT(row, rows);
      ASSERT_GT(count, 0U);
      next = row + 1;
    });
    PostingCursor cursor{*list};
    for (Row row = 0; row < rows; row += static_cast<Row>(1 + random() % 900)) {
      const Row found = cursor.seek(row);
      ASSERT_GE(found, row);
      if (found == kNoRow) break;
      ASSERT_LT(found, rows);
      ASSERT_GT(cursor.count(), 0U);
    }
  }
}

TEST(ImpactFrontier, keeps_what_nothing_else_beats_in_both) {
  ImpactFrontier frontier;
  frontier.add({3, 20});
  frontier.add({3, 10});
  frontier.add({2, 15});  // beaten
  frontier.add({5, 40});
  frontier.add({1, 4});
  const Maxima maxima = frontier.maxima();
  EXPECT_EQ(maxima[0].count, 5);
  EXPECT_EQ(maxima[1].count, 3);
  EXPECT_EQ(maxima[1].length, 10);
  EXPECT_EQ(maxima[2].count, 1);
  EXPECT_EQ(maxima[2].length, 4);
  EXPECT_EQ(maxima[3].count, 0);
}

}  // namespace
}  // namespace millrace
