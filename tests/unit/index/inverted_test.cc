#include "workers/index/inverted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include "workers/index/checksum.h"
#include "workers/index/inverted_file.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

ByteSink into(std::string& bytes) {
  return [&bytes](std::string_view piece) {
    bytes += piece;
    return Status{};
  };
}

std::string serialized(const GrowingInverted& growing) {
  std::string bytes;
  EXPECT_TRUE(growing.serialize(into(bytes)));
  return bytes;
}

std::unique_ptr<InvertedIndex> opened(std::string_view bytes) {
  Result<std::unique_ptr<InvertedIndex>> index = InvertedIndex::open(bytes);
  EXPECT_TRUE(index) << index.error().message;
  return index ? std::move(*index) : nullptr;
}

std::vector<Row> rows_of(const std::vector<LexicalHit>& hits) {
  std::vector<Row> rows;
  for (const LexicalHit& hit : hits) rows.push_back(hit.row);
  return rows;
}

struct Query {
  explicit Query(std::vector<QueryTerm> wanted, std::uint32_t collection = 0)
      : terms{std::move(wanted)} {
    query.collection = collection;
    query.terms = terms;
    query.mean_length = 10;
  }
  std::vector<QueryTerm> terms;
  LexicalQuery query;
};

// A few hundred terms in three collections, with lists of one block and of several.
void fill(GrowingInverted& growing, std::size_t rows, unsigned seed) {
  std::mt19937 random{seed};
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::string> names{"every"};
    if (row % 2 == 0) names.emplace_back("second");
    for (int i = 0; i < 3; ++i)
      names.push_back("word" + std::to_string(i) + std::to_string(random() % 90));
    std::vector<TermCount> terms;
    for (const std::string& name : names) {
      terms.push_back({name, static_cast<std::uint32_t>(1 + random() % 4)});
    }
    growing.add(static_cast<std::uint32_t>(row / 8 % 3), terms);
  }
}

TEST(BitmapRows, next_finds_set_rows_across_words) {
  Bitmap bitmap{200};
  for (const Row row : {0U, 63U, 64U, 190U}) bitmap.set(row);
  EXPECT_EQ(bitmap.next(0), 0U);
  EXPECT_EQ(bitmap.next(1), 63U);
  EXPECT_EQ(bitmap.next(64), 64U);
  EXPECT_EQ(bitmap.next(65), 190U);
  EXPECT_EQ(bitmap.next(191), 200U);
  EXPECT_EQ(bitmap.next(200), 200U);
  EXPECT_EQ(Bitmap{}.next(0), 0U);
}

TEST(Inverted, scores_by_the_formula_and_breaks_ties_by_row) {
  GrowingInverted growing;
  const std::vector<TermCount> both{{"cat", 2}, {"dog", 6}};
  const std::vector<TermCount> one{{"cat", 4}, {"mouse", 4}};
  const std::vector<TermCount> none{{"mouse", 3}};
  for (const auto* terms : {&one, &both, &none, &one, &both}) growing.add(7, *terms);
  const std::string bytes = serialized(growing);
  const auto index = opened(bytes);
  ASSERT_TRUE(index);
  const Query query{{{"cat", 2.0F}, {"dog", 3.0F}, {"none", 9.0F}}, 7};
  const Bitmap all{5, true};
  const float norm = 0.9F * (0.6F + 0.4F * 8 / 10);
  for (const auto& hits :
       {growing.search(query.query, all, 3), index->search(query.query, all, 3)}) {
    EXPECT_EQ(rows_of(hits), (std::vector<Row>{1, 4, 0}));
    EXPECT_FLOAT_EQ(hits[0].score, 2 * 2 / (2 + norm) + 3 * 6 / (6 + norm));
    EXPECT_FLOAT_EQ(hits[2].score, 2 * 4 / (4 + norm));
  }
  EXPECT_EQ(index->length(7).rows, 5U);
  EXPECT_EQ(index->length(7).terms, 35U);
  EXPECT_EQ(index->document_frequency(7, "cat"), 4U);
  EXPECT_EQ(index->document_frequency(7, "ca"), 0U);
  EXPECT_EQ(index->document_frequency(7, "zebra"), 0U);
  EXPECT_TRUE(index->search(query.query, all, 0).empty());
  EXPECT_TRUE(growing.search(query.query, all, 0).empty());
  EXPECT_TRUE(index->search(query.query, Bitmap{5}, 3).empty());
  EXPECT_GT(growing.bytes(), 5 * sizeof(std::uint32_t));
}

TEST(Inverted, matches_are_the_counts_of_these_terms_in_these_rows) {
  GrowingInverted growing;
  growing.add(7, std::vector<TermCount>{{"cat", 2}, {"dog", 6}});
  growing.add(8, std::vector<TermCount>{{"cat", 9}});
  growing.add(7, std::vector<TermCount>{{"dog", 70}, {"mouse", 1}});
  const std::string bytes = serialized(growing);
  const auto index = opened(bytes);
  ASSERT_TRUE(index);
  const std::vector<std::string> terms{"dog", "none", "cat"};
  const std::vector<Row> rows{0, 1, 2, 2};
  for (const TermMatches& found :
       {growing.matches(7, terms, rows), index->matches(7, terms, rows)}) {
    EXPECT_EQ(found.lengths, (std::vector<std::uint32_t>{8, 9, 68, 68}));  // of 71
    EXPECT_EQ(found.counts, (std::vector<std::uint32_t>{6, 0, 2, 0, 0, 0, 70, 0, 0, 70, 0, 0}));
  }
  for (const TermMatches& found :
       {growing.matches(9, terms, rows), index->matches(9, terms, rows)}) {
    EXPECT_EQ(found.lengths.size(), 4U);
    EXPECT_EQ(found.counts, std::vector<std::uint32_t>(12));
  }
  EXPECT_TRUE(index->matches(7, terms, {}).counts.empty());
  EXPECT_EQ(index->matches(7, {}, rows).lengths.size(), 4U);
}

TEST(Inverted, matches_leave_out_the_terms_that_a_search_leaves_out) {
  GrowingInverted growing;
  growing.add(0, std::vector<TermCount>{{"cat", 2}});
  const std::string bytes = serialized(growing);
  const std::vector<std::string> terms(kQueryTermsMax + 1, "cat");
  const std::vector<Row> rows{0};
  for (const TermMatches& found :
       {growing.matches(0, terms, rows), opened(bytes)->matches(0, terms, rows)}) {
    ASSERT_EQ(found.counts.size(), kQueryTermsMax + 1);
    EXPECT_EQ(found.counts[kQueryTermsMax - 1], 2U);
    EXPECT_EQ(found.counts[kQueryTermsMax], 0U);
  }
}

TEST(Inverted, ten_thousand_small_collections_do_not_meet) {
  GrowingInverted growing;
  constexpr std::uint32_t kCollections = 10'000;
  for (std::uint32_t row = 0; row < 3 * kCollections; ++row) {
    const std::string own = "own" + std::to_string(row);
    growing.add(row / 3 * 5, std::vector<TermCount>{{"shared", 1}, {own, 1}});
  }
  const std::string bytes = serialized(growing);
  const auto index = opened(bytes);
  ASSERT_TRUE(index);
  const Bitmap all{index->rows(), true};
  for (const std::uint32_t collection : {0U, 777U, 9'999U}) {
    const Query query{{{"shared", 1.0F}}, collection * 5};
    const Row first = collection * 3;
    EXPECT_EQ(rows_of(index->search(query.query, all, 9)),
              (std::vector<Row>{first, first + 1, first + 2}));
    EXPECT_EQ(index->document_frequency(collection * 5, "own" + std::to_string(first)), 1U);
    EXPECT_EQ(index->document_frequency(collection * 5, "own" + std::to_string(first + 3)), 0U);
    EXPECT_EQ(index->length(collection * 5 + 1).rows, 0U);
    EXPECT_TRUE(index->search(Query{{{"shared", 1.0F}}, collection * 5 + 1}.query, all, 9).empty());
  }
}

TEST(Inverted, rows_without_terms_and_odd_terms_are_kept) {
  GrowingInverted growing;
  EXPECT_EQ(opened(serialized(growing))->rows(), 0U);
  growing.add(3, {});
  EXPECT_EQ(opened(serialized(growing))->length(3).rows, 1U);
  const std::string zero(2, '\0');
  const std::string high = "\xff\xfe";
  const std::string huge(100'000, 'x');
  growing.add(1, std::vector<TermCount>{{"", 1}, {zero, 2}, {high, 3}, {huge, 4'000'000'000}});
  const std::string bytes = serialized(growing);
  const auto index = opened(bytes);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->length(1).terms, 4'000'000'006U);
  for (const std::string& term : {std::string{}, zero, high, huge}) {
    EXPECT_EQ(index->document_frequency(1, term), 1U);
    EXPECT_EQ(rows_of(index->search(Query{{{term, 1.0F}}, 1}.query, Bitmap{2, true}, 5)),
              std::vector<Row>{1});
  }
}

TEST(Inverted, parameters_that_make_no_sense_still_give_finite_scores) {
  GrowingInverted growing;
  fill(growing, 500, 1);
  const std::string bytes = serialized(growing);
  const auto index = opened(bytes);
  const Bitmap all{500, true};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<QueryTerm> terms{{"second", nan}, {"second", -1.0F}, {"every", 1.0F}};
  terms.resize(3 * kQueryTermsMax, {"every", 1.0F});
  Query query{terms};
  for (const Bm25 bm25 : {Bm25{nan, nan}, Bm25{-1, -1}, Bm25{0, 0}, Bm25{1, 7}}) {
    query.query.bm25 = bm25;
    for (const float mean : {0.0F, -1.0F, nan}) {
      query.query.mean_length = mean;
      const std::vector<LexicalHit> hits = index->search(query.query, all, 20);
      const std::vector<LexicalHit> same = growing.search(query.query, all, 20);
      ASSERT_EQ(hits.size(), 20U);
      EXPECT_EQ(rows_of(hits), rows_of(same));
      for (const LexicalHit& hit : hits) {
        EXPECT_GT(hit.score, 0);
        EXPECT_LE(hit.score,
                  static_cast<float>(kQueryTermsMax - 2));  // those that are looked at, less two
      }
    }
  }
}

TEST(Inverted, a_count_too_large_for_a_bound_is_not_passed_over) {
  GrowingInverted growing;
  for (Row row = 0; row < 5'000; ++row) {
    growing.add(0, std::vector<TermCount>{{"every", row == 4'500 ? 500'000U : 1U}});
  }
  const std::string bytes = serialized(growing);
  Query query{{{"every", 1.0F}}};
  query.query.mean_length = 1;
  // By their lengths, 1 gives 0.53 and 500,000 gives 0.75; 255 would give 0.002.
  EXPECT_EQ(rows_of(opened(bytes)->search(query.query, Bitmap{5'000, true}, 1)),
            std::vector<Row>{4'500});
}

TEST(Inverted, neighbours_of_one_collection_are_one_run) {
  GrowingInverted growing;
  for (std::uint32_t row = 0; row < 90; ++row) growing.add(row / 30, {});
  const std::string bytes = serialized(growing);
  const auto file = InvertedFile::open(bytes);
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->runs(), 3U);
}

TEST(Inverted, a_sink_that_fails_ends_the_writing) {
  GrowingInverted growing;
  fill(growing, 20'000, 2);
  std::size_t calls = 0;
  while (true) {
    std::size_t left = calls;
    const Status written = growing.serialize([&](std::string_view) -> Status {
      if (left-- == 0) return unavailable("disk full");
      return {};
    });
    if (written) break;
    EXPECT_EQ(written.error().message, "disk full");
    ++calls;
  }
  EXPECT_GT(calls, 1U);  // it does come in pieces
}

TEST(InvertedMerge, of_merges_and_of_nothing_is_what_building_gives) {
  GrowingInverted left;
  GrowingInverted right;
  fill(left, 300, 3);
  fill(right, 400, 4);
  const std::string left_bytes = serialized(left);
  const std::string right_bytes = serialized(right);
  const auto left_index = opened(left_bytes);
  const auto right_index = opened(right_bytes);
  const Bitmap left_all{300, true};
  const Bitmap right_all{400, true};
  const Bitmap right_none{400};

  std::string alone;
  const std::vector<InvertedIndex::Source> one{{left_index.get(), &left_all},
                                               {right_index.get(), &right_none}};
  ASSERT_TRUE(InvertedIndex::merge(one, into(alone)));
  EXPECT_TRUE(alone == left_bytes);

  std::string nothing;
  ASSERT_TRUE(InvertedIndex::merge({}, into(nothing)));
  EXPECT_TRUE(nothing == serialized(GrowingInverted{}));

  std::string twice;
  const std::vector<InvertedIndex::Source> two{{right_index.get(), &right_all},
                                               {left_index.get(), &left_all}};
  ASSERT_TRUE(InvertedIndex::merge(two, into(twice)));
  const auto merged = opened(twice);
  EXPECT_EQ(merged->length(1).terms, left.length(1).terms + right.length(1).terms);
  Bitmap back{700, true};
  for (Row row = 0; row < 400; ++row) back.reset(row);
  std::string again;
  const std::vector<InvertedIndex::Source> cut{{merged.get(), &back}};
  ASSERT_TRUE(InvertedIndex::merge(cut, into(again)));
  EXPECT_TRUE(again == left_bytes);
}

// Whatever it holds, reading it all stays in bounds (the sanitizers watch).
void read_everything(std::string_view bytes) {
  const Result<std::unique_ptr<InvertedIndex>> opened = InvertedIndex::open(bytes);
  if (!opened) {
    EXPECT_EQ(opened.error().kind, Error::Kind::rejected);
    return;
  }
  const InvertedIndex& index = **opened;
  const Bitmap all{index.rows(), true};
  Bitmap some{index.rows()};
  for (Row row = 0; row < index.rows(); row += 97) some.set(row);
  for (std::uint32_t collection = 0; collection < 3; ++collection) {
    const Query query{{{"every", 1.0F}, {"second", 2.0F}, {"word01", 3.0F}, {"word27", 4.0F}},
                      collection};
    for (const Bitmap* rows : {&all, &std::as_const(some)}) {
      for (const LexicalHit& hit : index.search(query.query, *rows, 5)) {
        EXPECT_TRUE(rows->test(hit.row));
      }
    }
    (void)index.length(collection);
    const std::vector<std::string> terms{"every", "second", "word01", "word27"};
    std::vector<Row> rows;
    for (Row row = 0; row < index.rows(); row += 1 + row % 5) rows.push_back(row);
    EXPECT_EQ(index.matches(collection, terms, rows).counts.size(), 4 * rows.size());
  }
  std::string merged;
  const std::vector<InvertedIndex::Source> sources{{&index, &all}};
  (void)InvertedIndex::merge(sources, into(merged));
}

void put_checksum(std::string& bytes) {
  if (bytes.size() < inverted_format::kChecksumBytes) return;
  const std::size_t at = bytes.size() - inverted_format::kChecksumBytes;
  const std::uint64_t sum = checksum(std::string_view{bytes}.substr(0, at));
  std::memcpy(bytes.data() + at, &sum, sizeof sum);
}

TEST(InvertedDamage, every_byte_that_flips_and_every_cut_is_noticed) {
  GrowingInverted growing;
  fill(growing, 40, 5);
  const std::string bytes = serialized(growing);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    EXPECT_FALSE(InvertedIndex::open(damaged));
    EXPECT_FALSE(InvertedIndex::open(std::string_view{bytes}.substr(0, at)));
  }
  EXPECT_FALSE(InvertedIndex::open(bytes + '\0'));
  std::string other = bytes;
  other[4] = 2;
  const auto refused = InvertedIndex::open(other);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("version"));
}

class ForgedChecksums : public ::testing::TestWithParam<unsigned> {};

TEST_P(ForgedChecksums, are_refused_or_read_in_bounds) {
  std::mt19937 random{GetParam()};
  GrowingInverted growing;
  fill(growing, 1'200, GetParam());
  const std::string bytes = serialized(growing);
  for (int i = 0; i < 600; ++i) {
    std::string damaged = bytes;
    const std::size_t flips = 1 + random() % 4;
    for (std::size_t flip = 0; flip < flips; ++flip) {
      // Half of them in the tables at the end.
      std::size_t at = random() % damaged.size();
      if (random() % 2 == 0)
        at = damaged.size() - 1 - random() % std::min<std::size_t>(900, damaged.size());
      damaged[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (random() % 8 == 0) damaged.erase(random() % damaged.size(), 1 + random() % 64);
    if (random() % 8 == 0)
      damaged.insert(random() % (damaged.size() + 1), 1 + random() % 64, '\x7f');
    put_checksum(damaged);
    // In a block of its own size, so that the sanitizer sees a read behind it.
    const std::vector<char> exact{damaged.begin(), damaged.end()};
    read_everything({exact.data(), exact.size()});
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ForgedChecksums, ::testing::Values(1U, 2U, 3U));

}  // namespace
}  // namespace millrace
