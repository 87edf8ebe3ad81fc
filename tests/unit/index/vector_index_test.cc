#include "workers/index/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "schemas/float16.h"
#include "tests/support/sanitized.h"
#include "workers/index/byte_codes.h"
#include "workers/index/checksum.h"
#include "workers/index/cpu.h"
#include "workers/index/inner_product.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Random = std::mt19937_64;

constexpr VectorIndexOptions kFlat{.flat_rows_max = std::numeric_limits<std::size_t>::max()};
constexpr VectorIndexOptions kLists{.flat_rows_max = 0};
constexpr VectorIndexOptions kProducts{.flat_rows_max = 0, .pq_rows_min = 0};

struct Vectors {
  std::size_t dimensions = 0;
  std::vector<float> values = {};

  std::size_t rows() const { return values.size() / dimensions; }
  std::span<const float> row(std::size_t at) const {
    return std::span{values}.subspan(at * dimensions, dimensions);
  }
};

// Directions around centres: points of a cluster spread over a few directions of its own, as those
// of real texts do.
Vectors clustered(std::size_t rows, std::size_t dimensions, std::size_t clusters, Random& random) {
  constexpr std::size_t kDirections = 12;
  std::normal_distribution<float> normal;
  std::vector<float> centres(clusters * (1 + kDirections) * dimensions);
  for (float& value : centres) value = normal(random);
  Vectors vectors{dimensions};
  vectors.values.resize(rows * dimensions);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* centre = &centres[random() % clusters * (1 + kDirections) * dimensions];
    float* into = &vectors.values[row * dimensions];
    std::copy_n(centre, dimensions, into);
    for (std::size_t direction = 1; direction <= kDirections; ++direction) {
      const float much = .3F * normal(random);
      for (std::size_t i = 0; i < dimensions; ++i)
        into[i] += much * centre[direction * dimensions + i];
    }
    const float length = std::sqrt(std::inner_product(into, into + dimensions, into, 0.0F));
    for (std::size_t i = 0; i < dimensions; ++i) {
      into[i] = float_from(float16_from(into[i] / length));  // as the log has them
    }
  }
  return vectors;
}

// Small whole numbers: many inner products are equal, and none is rounded.
Vectors whole_numbers(std::size_t rows, std::size_t dimensions, Random& random) {
  Vectors vectors{dimensions};
  vectors.values.resize(rows * dimensions);
  for (float& value : vectors.values) value = static_cast<float>(random() % 5) - 2;
  return vectors;
}

Bitmap random_rows(std::size_t rows, double share, Random& random) {
  Bitmap bitmap{rows};
  std::bernoulli_distribution set{share};
  for (Row row = 0; row < rows; ++row) {
    if (set(random)) bitmap.set(row);
  }
  return bitmap;
}

std::vector<VectorHit> brute_force(const Vectors& vectors, std::span<const float> query,
                                   const Bitmap& rows, std::size_t count) {
  std::vector<VectorHit> hits;
  for (Row row = rows.next(0); row < rows.rows(); row = rows.next(row + 1)) {
    const auto values = vectors.row(row);
    hits.push_back({row, static_cast<float>(
                             std::inner_product(query.begin(), query.end(), values.begin(), 0.0))});
  }
  std::sort(hits.begin(), hits.end(), [](const VectorHit& a, const VectorHit& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
  hits.resize(std::min(hits.size(), count));
  return hits;
}

std::vector<Row> rows_of(std::span<const VectorHit> hits) {
  std::vector<Row> rows;
  for (const VectorHit& hit : hits) rows.push_back(hit.row);
  return rows;
}

class VectorIndexTest : public testing::Test {
 protected:
  ~VectorIndexTest() override { std::filesystem::remove_all(folder_); }

  static VectorIndex::Source source(const Vectors& vectors) {
    return [&vectors](Row begin, std::size_t count, std::span<float> values) -> Status {
      EXPECT_LE(begin + count, vectors.rows());
      EXPECT_EQ(values.size(), count * vectors.dimensions);
      std::copy_n(vectors.row(begin).begin(), values.size(), values.begin());
      return {};
    };
  }

  Status build(const Vectors& vectors, const VectorIndexOptions& options) const {
    return VectorIndex::build(file(), vectors.rows(), vectors.dimensions, source(vectors), options);
  }

  std::unique_ptr<VectorIndex> built(const Vectors& vectors,
                                     const VectorIndexOptions& options) const {
    const Status status = build(vectors, options);
    EXPECT_TRUE(status) << status.error().message;
    Result<std::unique_ptr<VectorIndex>> index = VectorIndex::open(file(), vectors.dimensions);
    EXPECT_TRUE(index) << index.error().message;
    EXPECT_EQ((*index)->rows(), vectors.rows());
    return std::move(*index);
  }

  // The share of the best ten that is found, over some rows as questions.
  static double recall(const VectorIndex& index, const Vectors& vectors, const Vectors& questions,
                       const Bitmap& rows) {
    std::size_t found = 0;
    std::size_t all = 0;
    const auto results = index.search(questions.values, rows, 10);
    for (std::size_t i = 0; i < questions.rows(); ++i) {
      EXPECT_THAT(results[i], SizeIs(std::min<std::size_t>(10, rows.count())));
      const std::vector<Row> hits = rows_of(results[i]);
      for (const VectorHit& hit : brute_force(vectors, questions.row(i), rows, 10)) {
        found += static_cast<std::size_t>(std::count(hits.begin(), hits.end(), hit.row));
        ++all;
      }
    }
    return static_cast<double>(found) / static_cast<double>(all);
  }

  std::string bytes() const {
    std::ifstream in{file(), std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  void put(std::string_view bytes) const { std::ofstream{file(), std::ios::binary} << bytes; }

  std::filesystem::path file() const { return folder_ / "vectors"; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  static std::filesystem::path make_folder() {
    std::string name = testing::TempDir() + "vector_index_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }
  const std::filesystem::path folder_ = make_folder();
};

TEST_F(VectorIndexTest, flat_vectors_are_found_as_by_brute_force) {
  Random random{1};
  for (const std::size_t rows : {1U, 31U, 64U, 500U, 2'500U}) {
    const Vectors vectors = whole_numbers(rows, 7, random);
    const auto index = built(vectors, kFlat);
    EXPECT_TRUE(index->is_exact());
    for (const double share : {0.0, .001, .1, .5, 1.0}) {
      const Bitmap set = random_rows(rows, share, random);
      const Vectors questions = whole_numbers(70, 7, random);  // more than are searched at once
      for (const std::size_t count : {0U, 1U, 10U, 5'000U}) {
        const auto results = index->search(questions.values, set, count);
        ASSERT_THAT(results, SizeIs(70));
        for (std::size_t i = 0; i < questions.rows(); ++i) {
          const auto expected = brute_force(vectors, questions.row(i), set, count);
          ASSERT_EQ(rows_of(results[i]), rows_of(expected));
          for (std::size_t hit = 0; hit < expected.size(); ++hit) {
            ASSERT_EQ(results[i][hit].score, expected[hit].score);
          }
        }
      }
    }
  }
}

TEST_F(VectorIndexTest, lists_find_nearly_all_that_brute_force_finds) {
  Random random{2};
  Vectors vectors = clustered(20'100, 64, 200, random);
  constexpr std::size_t kQuestions = 100 / kSanitizerShare;
  const Vectors questions{64, {vectors.values.end() - kQuestions * 64, vectors.values.end()}};
  vectors.values.resize(20'000 * 64);
  for (const auto& [options, least] : {std::pair{kLists, .98}, std::pair{kProducts, .95}}) {
    const auto index = built(vectors, options);
    EXPECT_FALSE(index->is_exact());
    EXPECT_LE(index->bytes(), 20'000 * (64 + 8 + 8) + 600 * 64 * sizeof(float));
    EXPECT_GE(recall(*index, vectors, questions, Bitmap{20'000, true}), least);
    for (const double share : {.5, .1, .01, .001}) {
      EXPECT_GE(recall(*index, vectors, questions, random_rows(20'000, share, random)), least)
          << share;
    }
  }
}

TEST_F(VectorIndexTest, a_filter_far_from_the_question_still_finds_all_that_are_wanted) {
  Random random{3};
  const Vectors vectors = clustered(20'000, 32, 20, random);
  for (const VectorIndexOptions& options : {kLists, kProducts}) {
    const auto index = built(vectors, options);
    // The 3,000 rows that are least like the question: most of the lists near it have none.
    const auto order = brute_force(vectors, vectors.row(0), Bitmap{20'000, true}, 20'000);
    Bitmap far{20'000};
    for (std::size_t i = 17'000; i < 20'000; ++i) far.set(order[i].row);
    const auto results = index->search(vectors.row(0), far, 100);
    ASSERT_THAT(results.front(), SizeIs(100));
    std::set<Row> different;
    for (const VectorHit& hit : results.front()) {
      EXPECT_TRUE(far.test(hit.row));
      different.insert(hit.row);
    }
    EXPECT_THAT(different, SizeIs(100));
    EXPECT_THAT(index->search(vectors.row(0), Bitmap{20'000}, 10).front(), IsEmpty());
    EXPECT_THAT(index->search(vectors.row(0), Bitmap{20'000, true}, 50'000).front(),
                SizeIs(20'000));
  }
}

TEST_F(VectorIndexTest, questions_together_find_what_each_finds_alone) {
  Random random{4};
  const Vectors vectors = clustered(5'000, 24, 40, random);
  const Bitmap set = random_rows(5'000, .6, random);
  const Vectors questions{24, {vectors.values.begin(), vectors.values.begin() + 130 * 24}};
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    const auto index = built(vectors, options);
    const auto together = index->search(questions.values, set, 10);
    ASSERT_THAT(together, SizeIs(130));
    for (std::size_t i = 0; i < 130; ++i) {
      const auto alone = index->search(questions.row(i), set, 10);
      ASSERT_THAT(alone, SizeIs(1));
      ASSERT_EQ(rows_of(together[i]), rows_of(alone.front()));
      const std::vector<Row> rows = rows_of(alone.front());
      const std::vector<float> scores = index->scores(questions.row(i), rows);
      for (std::size_t hit = 0; hit < rows.size(); ++hit) {
        ASSERT_EQ(scores[hit], alone.front()[hit].score);
        const auto values = vectors.row(rows[hit]);
        const double exact =
            std::inner_product(values.begin(), values.end(), questions.row(i).begin(), 0.0);
        ASSERT_NEAR(scores[hit], exact, .01);
      }
    }
  }
}

TEST_F(VectorIndexTest, finds_nothing_below_a_floor_and_all_from_it_on) {
  Random random{14};
  const Vectors vectors = clustered(5'000, 24, 40, random);
  const Vectors questions{24, {vectors.values.begin(), vectors.values.begin() + 20 * 24}};
  const Bitmap all{5'000, true};
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    const auto index = built(vectors, options);
    const auto free = index->search(questions.values, all, 50);
    std::vector<float> floors;
    for (const auto& hits : free) floors.push_back(hits[20].score);
    floors[3] = kNoFloor;
    const auto some = index->search(questions.values, all, 50, floors);
    for (std::size_t i = 0; i < 20; ++i) {
      const auto alone = index->search(questions.row(i), all, 50, {&floors[i], 1});
      EXPECT_EQ(rows_of(some[i]), rows_of(alone.front()));
      for (const VectorHit& hit : some[i]) EXPECT_GE(hit.score, floors[i]);
      std::vector<Row> from_the_floor_on = rows_of(free[i]);
      std::erase_if(from_the_floor_on, [&](Row row) {
        return index->scores(questions.row(i), {&row, 1}).front() < floors[i];
      });
      if (options.flat_rows_max > 0 || i == 3) {
        EXPECT_EQ(rows_of(some[i]), from_the_floor_on);
      } else {  // less rows were compared
        EXPECT_GE(some[i].size(), from_the_floor_on.size() / 2);
      }
    }
  }
}

TEST_F(VectorIndexTest, equal_vectors_make_the_same_bytes_and_leave_no_other_file) {
  Random random{5};
  const Vectors vectors = clustered(3'000, 16, 10, random);
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    ASSERT_TRUE(build(vectors, options));
    const std::string first = bytes();
    ASSERT_TRUE(build(vectors, options));
    EXPECT_EQ(first, bytes());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder()}, {}), 1);
  }
}

TEST_F(VectorIndexTest, few_or_equal_or_empty_vectors_are_no_special_case) {
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    const auto none = built(Vectors{8}, options);
    const std::vector<float> question(8, .5F);
    EXPECT_THAT(none->search(question, Bitmap{}, 10).front(), IsEmpty());
    for (const std::size_t rows : {1U, 2U, 3U, 300U}) {
      for (const float value : {0.0F, .25F}) {
        const Vectors equal{8, std::vector<float>(rows * 8, value)};
        const auto index = built(equal, options);
        const auto hits = index->search(question, Bitmap{rows, true}, 2).front();
        ASSERT_THAT(hits, SizeIs(std::min<std::size_t>(rows, 2)));
        for (std::size_t i = 0; i < hits.size(); ++i) {
          // In which list equal vectors are, and so which are seen first, is the processor's
          // choice.
          if (index->is_exact()) EXPECT_EQ(hits[i].row, i);
          if (i > 0) EXPECT_GT(hits[i].row, hits[i - 1].row);
          EXPECT_NEAR(hits[i].score, 4 * value, 1e-5);
        }
      }
    }
  }
}

TEST_F(VectorIndexTest, a_question_without_numbers_finds_nothing) {
  Random random{6};
  const Vectors vectors = clustered(2'000, 8, 5, random);
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    const auto index = built(vectors, options);
    std::vector<float> question(8, std::numeric_limits<float>::quiet_NaN());
    EXPECT_THAT(index->search(question, Bitmap{2'000, true}, 10).front(), IsEmpty());
    question.assign(8, std::numeric_limits<float>::infinity());
    EXPECT_LE(index->search(question, Bitmap{2'000, true}, 10).front().size(), 10U);
  }
}

TEST_F(VectorIndexTest, vectors_that_are_no_numbers_are_refused) {
  Random random{7};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e9F}) {
    for (const VectorIndexOptions& options : {kFlat, kLists}) {
      Vectors vectors = clustered(2'000, 8, 5, random);
      vectors.values[1'234 * 8 + 3] = bad;
      const Status status = build(vectors, options);
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().kind, Error::Kind::rejected);
      EXPECT_THAT(status.error().message, HasSubstr("no number"));
      EXPECT_TRUE(std::filesystem::is_empty(folder()));
    }
  }
}

TEST_F(VectorIndexTest, a_failing_source_and_a_stop_leave_the_old_file) {
  Random random{8};
  const Vectors vectors = clustered(2'000, 8, 5, random);
  ASSERT_TRUE(build(vectors, kLists));
  const std::string before = bytes();
  for (const VectorIndexOptions& options : {kFlat, kLists}) {
    std::size_t calls = 0;
    const auto failing = [&](Row, std::size_t, std::span<float> values) -> Status {
      std::fill(values.begin(), values.end(), .5F);
      if (++calls == 2) return unavailable("the disk is away");
      return {};
    };
    const Status failed = VectorIndex::build(file(), 2'000, 8, failing, options);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, Error::Kind::unavailable);
    EXPECT_THAT(failed.error().message, HasSubstr("the disk is away"));
    std::stop_source stop;
    stop.request_stop();
    const Status stopped =
        VectorIndex::build(file(), 2'000, 8, source(vectors), options, stop.get_token());
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().kind, Error::Kind::unavailable);
  }
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder()}, {}), 1);
}

TEST_F(VectorIndexTest, damage_anywhere_is_noticed) {
  Random random{9};
  const Vectors vectors = clustered(700, 8, 5, random);
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    ASSERT_TRUE(build(vectors, options));
    const std::string good = bytes();
    const auto refused = [&](const std::string& bad) {
      put(bad);
      const auto index = VectorIndex::open(file(), 8);
      return !index && index.error().kind == Error::Kind::rejected;
    };
    for (std::size_t at = 0; at < good.size(); at += at < 32 ? 1 : 251) {  // all sections
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
      ASSERT_TRUE(refused(bad)) << at;
      ASSERT_TRUE(refused(good.substr(0, at))) << at;
    }
    EXPECT_TRUE(refused(good + '\0'));
    put(good);
    EXPECT_TRUE(VectorIndex::open(file(), 8));
    const auto other = VectorIndex::open(file(), 16);
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, HasSubstr("other dimensions"));
  }
  std::filesystem::remove(file());
  const auto missing = VectorIndex::open(file(), 8);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, Error::Kind::rejected);
}

// Bytes that somebody made on purpose: refused, or searched without harm.
TEST_F(VectorIndexTest, hostile_bytes_with_the_right_checksum_do_no_harm) {
  Random random{10};
  const Vectors vectors = clustered(700, 8, 5, random);
  std::size_t refused = 0;
  std::size_t searched = 0;
  for (const VectorIndexOptions& options : {kFlat, kLists, kProducts}) {
    ASSERT_TRUE(build(vectors, options));
    const std::string good = bytes();
    for (int round = 0; round < 400; ++round) {
      std::string bad = good;
      const std::size_t words = bad.size() / 4 - 2;
      const std::size_t word = round % 3 == 0 ? random() % 8 : random() % words;
      const std::uint32_t values[] = {0,
                                      1,
                                      699,
                                      700,
                                      0x7fc0'0000U,
                                      0xffffffff,
                                      0x7f80'0000U,
                                      0x7fff'ffffU,
                                      16,
                                      static_cast<std::uint32_t>(random())};
      std::memcpy(bad.data() + word * 4, &values[random() % std::size(values)], 4);
      const std::uint64_t sum = checksum(std::string_view{bad}.substr(0, bad.size() - 8));
      std::memcpy(bad.data() + bad.size() - 8, &sum, 8);
      put(bad);
      const auto index = VectorIndex::open(file(), 8);
      if (!index) {
        ASSERT_EQ(index.error().kind, Error::Kind::rejected);
        ++refused;
        continue;
      }
      ++searched;
      const Bitmap rows{(*index)->rows(), true};
      const auto found = (*index)->search(vectors.row(0), rows, 20);
      for (const VectorHit& hit : found.front()) {
        ASSERT_LT(hit.row, rows.rows());
        ASSERT_TRUE(std::isfinite(hit.score));
      }
    }
  }
  EXPECT_GT(refused, 150U);
  EXPECT_GT(searched, 150U);
}

TEST(InnerProduct, products_are_equal_with_and_without_vector_instructions) {
  Random random{11};
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::int16_t> weights(size);
    std::vector<std::uint8_t> codes(size);
    for (auto& weight : weights) weight = static_cast<std::int16_t>(random() % 65'535 - 32'767);
    for (auto& code : codes) code = static_cast<std::uint8_t>(random());
    EXPECT_EQ(byte_product(weights.data(), codes.data(), size),
              byte_product_plain(weights.data(), codes.data(), size));
    const std::vector<float> a(weights.begin(), weights.end());
    const std::vector<float> b(codes.begin(), codes.end());
    EXPECT_NEAR(float_product(a.data(), b.data(), size),
                static_cast<double>(byte_product(weights.data(), codes.data(), size)), 100);
    EXPECT_NEAR(float_product_plain(a.data(), b.data(), size),
                static_cast<double>(byte_product(weights.data(), codes.data(), size)), 100);
    std::vector<std::uint16_t> halves(size);  // which have all numbers of a byte
    std::ranges::transform(b, halves.begin(), float16_from);
    EXPECT_EQ(half_product(a.data(), halves.data(), size), float_product(a.data(), b.data(), size));
    EXPECT_EQ(half_product_plain(a.data(), halves.data(), size),
              float_product_plain(a.data(), b.data(), size));
  }
  for (const std::int16_t extreme :
       {std::int16_t{32'767}, std::int16_t{-32'767}}) {  // more than 32 bits hold
    const std::vector<std::int16_t> weights(65'536, extreme);
    const std::vector<std::uint8_t> codes(65'536, 255);
    const std::int64_t sum = std::int64_t{extreme} * 255 * 65'536;
    EXPECT_EQ(byte_product(weights.data(), codes.data(), codes.size()), sum);
    EXPECT_EQ(byte_product_plain(weights.data(), codes.data(), codes.size()), sum);
  }
}

TEST(ByteCodes, what_is_outside_of_the_scale_becomes_its_end) {
  const std::vector<float> sample{0, 2, 1, 2, .5F, 2};
  std::vector<float> minimum(2);
  std::vector<float> step(2);
  fit_bytes(sample, minimum, step);
  const ByteScale scale{minimum, step};
  std::vector<std::uint8_t> codes(2);
  encode_bytes(scale, std::vector<float>{7, 7}, codes);
  EXPECT_THAT(codes, testing::ElementsAre(255, 0));  // the second coordinate never differs
  EXPECT_NEAR(ByteQuery(scale, std::vector<float>{1, 1}).score(codes.data()), 3, 1e-4);
  encode_bytes(scale, std::vector<float>{-7, 2}, codes);
  EXPECT_THAT(codes, testing::ElementsAre(0, 0));
}

TEST(Checksum, of_parts_is_that_of_the_whole) {
  const std::string bytes = "sixteen bytes so, and then some";
  const std::uint64_t whole = checksum(bytes);
  EXPECT_EQ(checksum(std::string_view{bytes}.substr(16), checksum(bytes.substr(0, 16))), whole);
  std::string damaged = bytes;
  damaged.back() ^= 1;
  EXPECT_NE(checksum(damaged), whole);
}

TEST(Cpu, a_missing_instruction_set_is_named) {
  EXPECT_TRUE(check_cpu());  // this test runs
  const CpuFeature present[] = {{"AVX2", true}, {"FMA", true}};
  EXPECT_TRUE(check_cpu(present));
  const CpuFeature missing[] = {{"AVX", true}, {"AVX2", false}, {"FMA", false}};
  const Status status = check_cpu(missing);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, Error::Kind::fatal);
  EXPECT_THAT(status.error().message, HasSubstr("this CPU has no AVX2, FMA,"));
}

}  // namespace
}  // namespace millrace
