#include "workers/index/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "schemas/float16.h"
#include "tests/unit/index/index_model.h"
#include "workers/index/segment_builder.h"
#include "workers/index/segments.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using testing_index::kDimensions;
using testing_index::random_vector;
using testing_index::TemporaryFolder;

constexpr auto kWidth = static_cast<std::size_t>(kDimensions);
constexpr std::uint32_t kCollection = 3;

// A row as a segment is given it.
struct TestRow {
  std::uint64_t slot = 0;
  std::vector<float> vector;
  std::vector<TermCount> terms;
  std::string metadata;
};

const std::vector<std::string>& words() {
  static const std::vector<std::string> all{"ash", "birch", "cedar", "elm", "fir", "oak", "pine"};
  return all;
}

class SegmentTest : public ::testing::Test {
 protected:
  // Rows whose vectors are in the store, as a segment's always are.
  std::vector<TestRow> make_rows(std::size_t count) {
    std::vector<TestRow> rows(count);
    StoreBatch batch{*store_};
    for (TestRow& row : rows) {
      row.slot = batch.numbers().slot;
      const std::string encoded = encode_float16(random_vector(random_));
      EXPECT_TRUE(decode_float16(encoded, row.vector));
      batch.add_chunk({}, encoded);
      for (const std::string& word : words()) {
        if (random_() % 3 == 0)
          row.terms.push_back({word, static_cast<std::uint32_t>(1 + random_() % 4)});
      }
      row.metadata = R"({"year":)" + std::to_string(2000 + random_() % 10) + "}";
    }
    EXPECT_TRUE(store_->write(batch));
    return rows;
  }
  static std::shared_ptr<GrowingSegment> grown(std::span<const TestRow> rows) {
    auto segment = std::make_shared<GrowingSegment>(kWidth, rows.size());
    for (const TestRow& row : rows) {
      segment->add_metadata(row.metadata, 1);
      segment->add_row(row.slot, row.vector, kCollection, row.terms);
    }
    return segment;
  }
  std::shared_ptr<const SealedSegment> built(std::span<const SegmentSource> sources,
                                             const std::string& name) {
    const SegmentPlan plan{folder_.path() / name, store_->index_id(), kWidth, {}};
    const auto segment = build_segment(plan, sources, store_->view(), {});
    EXPECT_TRUE(segment) << segment.error().message;
    return segment ? *segment : nullptr;
  }
  std::shared_ptr<const SealedSegment> sealed(std::span<const TestRow> rows,
                                              const std::string& name) {
    const SegmentSource source{grown(rows), nullptr, Bitmap{rows.size(), true}};
    return built({&source, 1}, name);
  }

  std::mt19937 random_{17};
  TemporaryFolder folder_;
  std::unique_ptr<ChunkStore> store_ = *ChunkStore::open(folder_.path() / "store", kDimensions);
};

std::vector<std::pair<Row, std::int64_t>> rounded(const std::vector<VectorHit>& hits) {
  std::vector<std::pair<Row, std::int64_t>> out;
  for (const VectorHit& hit : hits) {
    out.emplace_back(hit.row, std::lround(static_cast<double>(hit.score) * 1e4));
  }
  return out;
}

// Both are asked alike and answer alike.
void expect_alike(const Segment& left, const Segment& right, std::size_t rows,
                  std::mt19937& random) {
  ASSERT_TRUE(std::equal(left.slots(), left.slots() + rows, right.slots()));
  EXPECT_EQ(left.length(kCollection, nullptr).rows, right.length(kCollection, nullptr).rows);
  EXPECT_EQ(left.length(kCollection, nullptr).terms, right.length(kCollection, nullptr).terms);
  Bitmap some{rows};
  for (Row row = 0; row < rows; ++row) {
    if (random() % 2 == 0) some.set(row);
  }
  Bitmap others = some;
  others.invert();
  for (const Bitmap* half : {&some, &others}) {
    const CollectionLength part = left.length(kCollection, half);
    EXPECT_EQ(part.rows, half->count());
    EXPECT_EQ(part.terms, right.length(kCollection, half).terms);
  }
  const std::vector<float> question = random_vector(random);
  EXPECT_EQ(rounded(left.nearest(question, some, 7, {})[0]),
            rounded(right.nearest(question, some, 7, {})[0]));
  std::vector<QueryTerm> terms;
  for (const std::string& word : words()) {
    std::uint64_t with = left.document_frequency(kCollection, word, nullptr);
    EXPECT_EQ(with, right.document_frequency(kCollection, word, nullptr));
    for (const Bitmap* half : {&some, &others}) {
      const auto part = left.document_frequency(kCollection, word, half);
      EXPECT_EQ(part, right.document_frequency(kCollection, word, half));
      with -= part;
    }
    EXPECT_EQ(with, 0U) << "the halves are the whole";
    terms.push_back({word, 1});
  }
  const LexicalQuery query{kCollection, terms, 5};
  const auto found = left.search(query, some, 9);
  const auto wanted = right.search(query, some, 9);
  ASSERT_EQ(found.size(), wanted.size());
  std::vector<Row> chosen;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].row, wanted[i].row);
    EXPECT_EQ(found[i].score, wanted[i].score);
    chosen.push_back(found[i].row);
  }
  std::sort(chosen.begin(), chosen.end());
  EXPECT_EQ(left.matches(kCollection, words(), chosen).counts,
            right.matches(kCollection, words(), chosen).counts);
  const Filter filter = *Filter::parse(R"({"year":{"gte":2003,"lt":2007}})", {});
  const Bitmap passed = left.select(filter, rows);
  EXPECT_TRUE(std::ranges::equal(passed.words(), right.select(filter, rows).words()));
  EXPECT_GT(passed.count(), 0U);
}

TEST_F(SegmentTest, is_in_files_what_it_was_in_memory) {
  const std::vector<TestRow> rows = make_rows(150);
  const auto memory = grown(rows);
  const auto files = sealed(rows, "1");
  ASSERT_NE(files, nullptr);
  EXPECT_EQ(files->rows(), 150U);
  expect_alike(*memory, *files, rows.size(), random_);
  const auto again = SealedSegment::open(files->directory(), store_->index_id(), kWidth);
  ASSERT_TRUE(again) << again.error().message;
  expect_alike(*memory, **again, rows.size(), random_);
}

TEST_F(SegmentTest, a_merge_has_the_rows_that_are_kept_and_no_others) {
  std::vector<SegmentSource> sources;
  std::vector<TestRow> kept;
  for (const std::size_t count : {130U, 64U, 1U, 77U}) {
    const std::vector<TestRow> rows = make_rows(count);
    SegmentSource& source = sources.emplace_back();
    source.keep = Bitmap{count};
    for (Row row = 0; row < count; ++row) {
      if (count > 1 && random_() % 3 == 0) continue;
      source.keep.set(row);
      kept.push_back(rows[row]);
    }
    if (count % 2 == 0) {
      source.sealed = sealed(rows, std::to_string(count));
    } else {
      source.growing = grown(rows);
    }
  }
  const auto merged = built(sources, "merged");
  ASSERT_NE(merged, nullptr);
  ASSERT_EQ(merged->rows(), kept.size());
  expect_alike(*grown(kept), *merged, kept.size(), random_);
  for (SegmentSource& source : sources) source.keep = Bitmap{source.keep.rows()};
  EXPECT_EQ(built(sources, "nothing"), nullptr);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "nothing"));
}

TEST_F(SegmentTest, a_vector_that_the_store_lost_makes_no_segment) {
  const std::vector<TestRow> rows = make_rows(20);
  StoreBatch batch{*store_};
  batch.remove_garbage({0, {{rows[11].slot, 1}}});
  ASSERT_TRUE(store_->write(batch));
  const SegmentSource source{grown(rows), nullptr, Bitmap{rows.size(), true}};
  const SegmentPlan plan{folder_.path() / "1", store_->index_id(), kWidth, {}};
  const auto segment = build_segment(plan, {&source, 1}, store_->view(), {});
  ASSERT_FALSE(segment);
  EXPECT_EQ(segment.error().kind, Error::Kind::fatal);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "1"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "1.tmp"));
}

class DamagedSegmentTest : public SegmentTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    ASSERT_NE(sealed(make_rows(60), "good"), nullptr);
    std::ifstream in{folder_.path() / "good" / GetParam(), std::ios::binary};
    good_ = {std::istreambuf_iterator<char>{in}, {}};
    ASSERT_FALSE(good_.empty());
  }
  // What opening says when the file has these bytes; "" when it takes them.
  std::string opened_with(std::string_view bytes) {
    std::ofstream{folder_.path() / "good" / GetParam(), std::ios::binary | std::ios::trunc}
        << bytes;
    return opened();
  }
  std::string opened() {
    const auto segment = SealedSegment::open(folder_.path() / "good", store_->index_id(), kWidth);
    if (segment) return "";
    EXPECT_EQ(segment.error().kind, Error::Kind::rejected) << segment.error().message;
    return segment.error().message;
  }
  std::string good_;
};

TEST_P(DamagedSegmentTest, a_flipped_bit_anywhere_is_noticed) {
  ASSERT_EQ(opened_with(good_), "");
  for (std::size_t at = 0; at < good_.size(); at += 1 + good_.size() / 500) {
    std::string bytes = good_;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    ASSERT_NE(opened_with(bytes), "") << "byte " << at;
  }
  EXPECT_EQ(opened_with(good_), "");
}

TEST_P(DamagedSegmentTest, every_length_but_its_own_is_noticed) {
  for (std::size_t size = 0; size < good_.size(); size += 1 + good_.size() / 200) {
    ASSERT_NE(opened_with(std::string_view{good_}.substr(0, size)), "") << size;
  }
  EXPECT_NE(opened_with(std::string_view{good_}.substr(0, good_.size() - 1)), "");
  EXPECT_NE(opened_with(good_ + '\0'), "");
  EXPECT_NE(opened_with(good_ + good_), "");
}

TEST_P(DamagedSegmentTest, a_missing_one_is_noticed) {
  std::filesystem::remove(folder_.path() / "good" / GetParam());
  EXPECT_NE(opened(), "");
}

TEST_P(DamagedSegmentTest, another_segments_file_is_noticed) {
  ASSERT_NE(sealed(make_rows(60), "other"), nullptr);
  std::ifstream in{folder_.path() / "other" / GetParam(), std::ios::binary};
  const std::string other{std::istreambuf_iterator<char>{in}, {}};
  ASSERT_NE(other, good_);
  EXPECT_NE(opened_with(other), "");
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedSegmentTest,
                         ::testing::Values("manifest", "vectors", "words", "columns"),
                         [](const auto& file) { return file.param; });

TEST_F(SegmentTest, belongs_to_one_index_of_one_width) {
  const auto files = sealed(make_rows(10), "1");
  ASSERT_NE(files, nullptr);
  const auto stranger = SealedSegment::open(files->directory(), "another index", kWidth);
  ASSERT_FALSE(stranger);
  EXPECT_THAT(stranger.error().message, HasSubstr("of another index"));
  EXPECT_FALSE(SealedSegment::open(files->directory(), store_->index_id(), kWidth + 1));
}

using SegmentsTest = SegmentTest;

std::size_t seen(const Segments& segments, Audience audience) {
  std::vector<std::uint8_t> table(audience + 1);
  table[audience] = 1;
  std::size_t sum = 0;
  for (const auto& rows : segments.visible(table)) {
    if (rows == nullptr) continue;
    EXPECT_EQ(rows->rows.count(), rows->count);
    sum += rows->count;
  }
  return sum;
}

TEST_F(SegmentsTest, what_dies_during_a_merge_is_dead_in_its_result) {
  const std::vector<TestRow> rows = make_rows(90);
  Segments segments;
  for (std::size_t begin = 0; begin < 90; begin += 30) {
    const std::span<const TestRow> part{rows.data() + begin, 30};
    segments.begin(grown(part));
    for (std::size_t i = 0; i < part.size(); ++i) segments.count_row();
  }
  constexpr Audience kReaders = 7;
  const std::uint64_t first = rows.front().slot;
  segments.set_audience({first, 90}, kReaders);
  EXPECT_EQ(seen(segments, kReaders), 90U);
  segments.set_audience({first + 10, 5}, kDeadRow);

  EXPECT_EQ(segments.sizes().size(), 2U) << "the last one grows";
  const MergeChoice choice{0, 2};
  const std::vector<SegmentSource> sources = segments.sources(choice);
  const auto merged = built(sources, "merged");
  ASSERT_EQ(merged->rows(), 55U);
  segments.set_audience({first + 28, 4}, kDeadRow);  // across both
  segments.set_audience({first + 40, 10}, kReaders + 1);
  const auto replaced = segments.replace(sources, merged);
  EXPECT_EQ(replaced.size(), 2U);
  EXPECT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments.dead(), 4U);
  EXPECT_EQ(seen(segments, kReaders), 90U - 5 - 4 - 10);
  EXPECT_EQ(seen(segments, kReaders + 1), 10U);
  segments.set_audience({first, 60}, kDeadRow);
  EXPECT_EQ(seen(segments, kReaders), 30U);
  EXPECT_EQ(seen(segments, kReaders + 1), 0U);
}

TEST_F(SegmentsTest, a_bitmap_that_was_kept_follows_every_change) {
  const std::vector<TestRow> rows = make_rows(300);
  Segments segments;
  segments.append(sealed(std::span{rows}.first(100), "1"));
  segments.begin(std::make_shared<GrowingSegment>(kWidth, 200));
  std::vector<Audience> wanted(100, kDeadRow);
  const std::uint64_t first = rows.front().slot;
  for (std::size_t step = 0; step < 3'000; ++step) {
    if (wanted.size() < rows.size() && random_() % 10 == 0) {
      const TestRow& row = rows[wanted.size()];
      segments.growing()->add_metadata(row.metadata, 1);
      segments.growing()->add_row(row.slot, row.vector, kCollection, row.terms);
      segments.count_row();
      wanted.push_back(kStagedRow);
    }
    const std::size_t begin = random_() % wanted.size();
    const std::size_t count = random_() % std::min<std::size_t>(40, wanted.size() - begin);
    const auto audience = static_cast<Audience>(random_() % 5);
    segments.set_audience({first + begin, count}, audience);
    std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(begin), count, audience);
    if (random_() % (1 + step / 100) != 0) continue;  // now and then after many changes
    for (const Audience asked : {2U, 3U}) {
      std::vector<std::uint8_t> table(5);
      table[asked] = table[4] = 1;
      std::vector<bool> found;
      const auto visible = segments.visible(table);
      for (std::size_t i = 0; i < visible.size(); ++i) {
        const std::size_t size = segments.views()[i].rows;
        for (Row row = 0; row < size; ++row) {
          found.push_back(visible[i] != nullptr && visible[i]->rows.test(row));
        }
      }
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        ASSERT_EQ(found[i], wanted[i] == asked || wanted[i] == 4) << step << " row " << i;
      }
    }
  }
}

TEST_F(SegmentsTest, the_bitmap_of_a_common_asker_is_made_once_until_something_changes) {
  const std::vector<TestRow> rows = make_rows(40);
  Segments segments;
  segments.append(sealed(rows, "1"));
  segments.set_audience({rows.front().slot, 40}, 2);
  const std::vector<std::uint8_t> table{0, 0, 1};
  const auto first = segments.visible(table)[0];
  EXPECT_EQ(segments.visible(table)[0], first);
  const std::vector<std::uint8_t> longer{0, 0, 1, 0, 0};
  EXPECT_EQ(segments.visible(longer)[0], first) << "audiences that came later are not in it";
  const std::vector<std::uint8_t> both{0, 0, 1, 1};
  EXPECT_NE(segments.visible(both)[0], first);
  EXPECT_EQ(segments.visible(table)[0], first);
  segments.set_audience({rows.front().slot, 1}, kDeadRow);
  EXPECT_EQ(segments.visible(table)[0]->count, 39U);
  EXPECT_EQ(first->count, 40U) << "who has it keeps what it saw";
}

}  // namespace
}  // namespace millrace
