#include "workers/index/columns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/support/filter_model.h"
#include "tests/support/sanitized.h"

namespace millrace {
namespace {

using testing_filter::RandomFilters;

// A document's metadata and its rows.
using Documents = std::vector<std::pair<std::string, std::size_t>>;

Filter filter_of(std::string_view text) { return Filter::parse(text, {}).value(); }

std::unique_ptr<Columns> opened(std::string_view bytes) {
  Result<std::unique_ptr<Columns>> columns = Columns::open(bytes);
  EXPECT_TRUE(columns) << (columns ? "" : columns.error().message);
  return columns ? std::move(*columns) : nullptr;
}

GrowingColumns grown(const Documents& documents) {
  GrowingColumns columns;
  for (const auto& [metadata, rows] : documents) columns.add(metadata, rows);
  return columns;
}

Documents random_documents(RandomFilters& random, std::size_t count) {
  Documents documents;
  for (std::size_t i = 0; i < count; ++i) {
    // Some repeat, so that runs of rows meet.
    const bool repeat = i > 0 && random.below(4) == 0;
    documents.emplace_back(repeat ? documents.back().first : random.metadata(), random.below(5));
  }
  return documents;
}

Bitmap matching_rows(const Filter& filter, const Documents& documents) {
  std::vector<bool> rows;
  std::string_view before = "{}";
  bool matched = filter.matches(before);
  for (const auto& [metadata, count] : documents) {
    if (metadata != before) matched = filter.matches(metadata);
    before = metadata;
    rows.insert(rows.end(), count, matched);
  }
  Bitmap out{rows.size()};
  for (Row row = 0; row < rows.size(); ++row) {
    if (rows[row]) out.set(row);
  }
  return out;
}

bool same(const Bitmap& left, const Bitmap& right) {
  return left.rows() == right.rows() && std::ranges::equal(left.words(), right.words());
}

TEST(Columns, select_what_the_filter_matches_row_by_row) {
  for (unsigned seed = 1; seed <= 25 / kSanitizerShare; ++seed) {
    RandomFilters random{seed};
    const Documents documents = random_documents(random, 3 * seed);
    const GrowingColumns growing = grown(documents);
    const std::string bytes = growing.serialize();
    const auto columns = opened(bytes);
    ASSERT_EQ(columns->rows(), growing.rows());
    for (int i = 0; i < 80; ++i) {
      const std::string text = random.filter();
      const Filter filter = filter_of(text);
      const Bitmap expected = matching_rows(filter, documents);
      ASSERT_TRUE(same(growing.select(filter), expected)) << seed << " " << text;
      ASSERT_TRUE(same(columns->select(filter), expected)) << seed << " " << text;
    }
  }
}

TEST(Columns, merged_without_some_rows_are_as_if_the_others_had_been_added_alone) {
  for (unsigned seed = 1; seed <= 10 / kSanitizerShare; ++seed) {
    RandomFilters random{seed};
    std::vector<std::string> bytes;
    std::vector<std::unique_ptr<Columns>> columns;
    std::vector<Bitmap> keeps;
    Documents kept;
    for (int part = 0; part < 4; ++part) {
      const Documents documents = random_documents(random, 20 + random.below(40));
      bytes.push_back(grown(documents).serialize());
      Bitmap keep{grown(documents).rows(), part == 3};
      Row row = 0;
      for (const auto& [metadata, count] : documents) {
        for (std::size_t i = 0; i < count; ++i, ++row) {
          if (part < 3 && random.below(static_cast<std::size_t>(part) + 2) == 0) continue;
          keep.set(row);
          kept.emplace_back(metadata, 1);
        }
      }
      keeps.push_back(std::move(keep));
    }
    for (const std::string& each : bytes) columns.push_back(opened(each));
    const Columns::Source sources[] = {{columns[0].get(), &keeps[0]},
                                       {columns[1].get(), &keeps[1]},
                                       {columns[2].get(), &keeps[2]},
                                       {columns[3].get(), nullptr}};
    const std::string merged = Columns::merge(sources);
    ASSERT_EQ(merged, grown(kept).serialize()) << seed;
    const auto all = opened(merged);
    for (int i = 0; i < 50; ++i) {
      const Filter filter = filter_of(random.filter());
      ASSERT_TRUE(same(all->select(filter), matching_rows(filter, kept))) << seed;
    }
  }
}

TEST(Columns, of_no_rows_select_nothing) {
  const std::string empty = GrowingColumns{}.serialize();
  EXPECT_EQ(Columns::merge({}), empty);
  EXPECT_EQ(opened(empty)->select(filter_of(R"({"a":{"ne":1}})")).rows(), 0U);

  GrowingColumns growing;
  growing.add(R"({"a":1})", 70);
  growing.add(R"({"a":2})", 0);
  const std::string bytes = growing.serialize();
  const auto columns = opened(bytes);
  const Bitmap none{70};
  const Columns::Source source{columns.get(), &none};
  EXPECT_EQ(Columns::merge({&source, 1}), empty);
  EXPECT_EQ(columns->select(filter_of(R"({"a":2})")).count(), 0U);
  EXPECT_EQ(columns->select(Filter{}).count(), 70U);
}

TEST(Columns, keep_rows_that_alternate_as_bits) {
  Documents documents;
  for (int i = 0; i < 10'001; ++i) {
    documents.emplace_back(i % 2 == 0 ? R"({"even":true})" : R"({"even":false,"odd":1})", 1);
  }
  const std::string bytes = grown(documents).serialize();
  EXPECT_LT(bytes.size(), 5 * (10'001 / 8) + 500);
  const auto columns = opened(bytes);
  EXPECT_EQ(columns->select(filter_of(R"({"even":true})")).count(), 5'001U);
  EXPECT_EQ(columns->select(filter_of(R"({"odd":{"gte":1}})")).count(), 5'000U);

  Bitmap keep{10'001, true};
  Documents kept;
  for (Row row = 0; row < 10'001; ++row) {
    if (row % 3 == 0 || (row > 500 && row < 900)) {
      keep.reset(row);
    } else {
      kept.push_back(documents[row]);
    }
  }
  const Columns::Source source{columns.get(), &keep};
  EXPECT_EQ(Columns::merge({&source, 1}), grown(kept).serialize());
}

TEST(Columns, never_match_by_what_a_large_document_is_not_known_to_have) {
  std::string large = R"({"a":1,"n":[0)";
  for (int i = 1; i < 2'000; ++i) large += "," + std::to_string(i);
  large += "]}";
  const Documents documents = {{R"({"a":1})", 2}, {large, 3}, {"broken", 1}, {R"({"a":2})", 1}};
  const std::string bytes = grown(documents).serialize();
  const auto columns = opened(bytes);
  const Columns::Source source{columns.get(), nullptr};
  const std::string merged = Columns::merge({&source, 1});
  ASSERT_EQ(merged, bytes);
  for (const char* text : {R"({"a":1})", R"({"a":{"ne":1}})", R"({"n":{"ne":1999}})",
                           R"({"not":{"n":1999}})", R"({"n":{"exists":false}})",
                           R"({"not":{"a":{"ne":1}}})", R"({"not":{"a":{"exists":false}}})"}) {
    const Filter filter = filter_of(text);
    EXPECT_TRUE(same(columns->select(filter), matching_rows(filter, documents))) << text;
    EXPECT_TRUE(same(grown(documents).select(filter), matching_rows(filter, documents))) << text;
  }
  EXPECT_EQ(columns->select(filter_of(R"({"a":1})")).count(), 5U);
  EXPECT_EQ(columns->select(filter_of(R"({"n":{"ne":1999}})")).count(), 3U);
}

TEST(Columns, of_very_many_fields_cost_what_values_cost) {
  GrowingColumns growing;
  std::size_t metadata_bytes = 0;
  for (int document = 0; document < 500; ++document) {
    std::string metadata;
    for (int i = 0; i < 200; ++i) {
      metadata += (i == 0 ? "{\"" : ",\"") + std::to_string(document * 200 + i) + "\":1";
    }
    metadata += "}";
    metadata_bytes += metadata.size();
    growing.add(metadata, 4);
  }
  const std::string bytes = growing.serialize();
  EXPECT_LT(bytes.size(), 3 * metadata_bytes);
  EXPECT_LT(growing.bytes(), 40 * metadata_bytes);
  EXPECT_GT(growing.bytes(), metadata_bytes);
  const auto columns = opened(bytes);
  EXPECT_EQ(columns->select(filter_of(R"({"99999":1})")).count(), 4U);
  EXPECT_EQ(columns->select(filter_of(R"({"99999":{"ne":1}})")).count(), 1'996U);
  EXPECT_EQ(columns->select(filter_of(R"({"100000":{"exists":true}})")).count(), 0U);
}

// As checksum.h has it, written again: files of before must stay readable.
std::string with_checksum(std::string content) {
  std::uint64_t state = 0xcbf2'9ce4'8422'2325U;
  for (std::size_t at = 0; at < content.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, content.data() + at, std::min<std::size_t>(8, content.size() - at));
    state = (state ^ word) * 0x0000'0100'0000'01b3U;
    state ^= state >> 32U;
  }
  return content.append(reinterpret_cast<const char*>(&state), sizeof state);
}

std::string sample_bytes() {
  RandomFilters random{3};
  Documents documents = random_documents(random, 25);
  for (int i = 0; i < 60; ++i) documents.emplace_back(i % 2 == 0 ? R"({"i":1})" : R"({"i":2})", 1);
  documents.emplace_back("broken", 1);
  documents.emplace_back("{}",
                         11 - grown(documents).rows() % 8);  // the last byte of bits is not full
  return grown(documents).serialize();
}

TEST(Columns, refuse_every_damaged_or_cut_or_longer_file) {
  const std::string bytes = sample_bytes();
  ASSERT_TRUE(Columns::open(bytes));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      ASSERT_FALSE(Columns::open(damaged)) << at;
    }
    const Result<std::unique_ptr<Columns>> cut = Columns::open(bytes.substr(0, at));
    ASSERT_FALSE(cut) << at;
    ASSERT_EQ(cut.error().kind, Error::Kind::rejected);
  }
  EXPECT_FALSE(Columns::open(bytes + '\0'));
  EXPECT_FALSE(Columns::open(bytes + bytes));
}

// What somebody made on purpose: refused, or read in bounds (the sanitizers look).
TEST(Columns, with_a_right_checksum_over_wrong_bytes_are_refused_or_read_in_bounds) {
  const std::string bytes = sample_bytes();
  const std::string content = bytes.substr(0, bytes.size() - 8);
  ASSERT_EQ(with_checksum(content), bytes);
  std::vector<Filter> filters{filter_of(R"({"i":{"gte":1}})")};
  RandomFilters random{4};
  for (int i = 0; i < 20; ++i) filters.push_back(filter_of(random.filter()));
  std::size_t passed = 0;
  auto probe = [&](std::string damaged) {
    // A copy of the exact size, so that a read behind its end shows.
    damaged = with_checksum(std::move(damaged));
    const auto exact = std::make_unique<char[]>(damaged.size());
    std::memcpy(exact.get(), damaged.data(), damaged.size());
    const Result<std::unique_ptr<Columns>> columns = Columns::open({exact.get(), damaged.size()});
    if (!columns) return;
    ++passed;
    if ((*columns)->rows() > 10'000'000) return;  // nothing but the number is large
    for (const Filter& filter : filters) {
      const Bitmap rows = (*columns)->select(filter);
      ASSERT_EQ(rows.rows(), (*columns)->rows());
      const std::size_t over = rows.rows() % 64;
      ASSERT_TRUE(over == 0 || rows.words().back() >> over == 0) << "rows behind the last";
    }
    const Columns::Source sources[] = {{columns->get(), nullptr}, {columns->get(), nullptr}};
    ASSERT_TRUE(Columns::open(Columns::merge(sources)));
  };
  for (std::size_t at = 0; at < content.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff, static_cast<int>(random.below(256))}) {
      std::string damaged = content;
      damaged[at] = static_cast<char>(value);
      probe(damaged);
    }
    probe(content.substr(0, at));
  }
  for (int i = 0; i < 3'000; ++i) {
    std::string damaged = content;
    for (std::size_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(damaged.size());
      const std::size_t kind = random.below(3);
      if (kind == 0) damaged[at] = static_cast<char>(random.below(256));
      if (kind == 1) damaged.insert(at, 1, static_cast<char>(random.below(256)));
      if (kind == 2) damaged.erase(at, 1 + random.below(8));
      if (damaged.empty()) break;
    }
    probe(damaged);
  }
  EXPECT_GT(passed, content.size()) << "some damage is a file of something else";
}

}  // namespace
}  // namespace millrace
