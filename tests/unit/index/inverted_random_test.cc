#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/sanitized.h"
#include "workers/index/inverted.h"

namespace millrace {
namespace {

constexpr std::uint32_t kCollections = 5;
constexpr std::size_t kTerms = 3'000;              // of each collection's language
constexpr int kQueries = 2'500 / kSanitizerShare;  // for each seed

struct ModelRow {
  std::uint32_t collection = 0;
  std::map<std::string, std::uint32_t> terms;
};

// Five leading bits, as inverted.h says.
std::uint64_t rounded_length(const ModelRow& row) {
  std::uint64_t length = 0;
  for (const auto& [term, count] : row.terms) length += count;
  unsigned shift = 0;
  while (length >> shift >= 32) ++shift;
  return length >> shift << shift;
}

// Scores each row by the formula, one after the other.
class Model {
 public:
  explicit Model(std::vector<ModelRow> rows) : rows_{std::move(rows)} {
    for (Row row = 0; row < rows_.size(); ++row) {
      lengths_.push_back(static_cast<double>(rounded_length(rows_[row])));
      for (const auto& [term, count] : rows_[row].terms) {
        postings_[{rows_[row].collection, term}].emplace_back(row, count);
      }
    }
  }

  const std::vector<ModelRow>& rows() const { return rows_; }
  double length(Row row) const { return lengths_[row]; }
  // By row; 0 where no term matches or the row is not set.
  std::vector<double> scores(const LexicalQuery& query, const Bitmap& allowed) const {
    std::vector<double> scores(rows_.size());
    for (const QueryTerm& term : query.terms) {
      const auto found = postings_.find({query.collection, term.term});
      if (found == postings_.end()) continue;
      for (const auto& [row, count] : found->second) {
        if (!allowed.test(row)) continue;
        const double k1 = query.bm25.k1;
        const double b = query.bm25.b;
        const double norm = k1 * (1 - b + b * lengths_[row] / query.mean_length);
        scores[row] += term.weight * (count / (count + norm));
      }
    }
    return scores;
  }

 private:
  std::vector<ModelRow> rows_;
  std::vector<double> lengths_;
  std::map<std::pair<std::uint32_t, std::string>, std::vector<std::pair<Row, std::uint32_t>>>
      postings_;
};

class Zipf {
 public:
  explicit Zipf(std::size_t size) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      sums_.push_back(sum += 1 / std::pow(static_cast<double>(i) + 1.5, 1.1));
    }
  }
  std::size_t operator()(std::mt19937& random) const {
    const double at = sums_.back() * static_cast<double>(random()) / 4294967296.0;
    return static_cast<std::size_t>(std::upper_bound(sums_.begin(), sums_.end(), at) -
                                    sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

// A row of mostly frequent words; one in a hundred is long, one in a hundred is empty. Half of the
// rows belong to the first collection, and neighbours to the same.
std::vector<ModelRow> random_rows(std::mt19937& random, const Zipf& zipf, std::size_t count) {
  std::vector<ModelRow> rows(count);
  std::uint32_t collection = 0;
  for (ModelRow& row : rows) {
    if (random() % 4 == 0) {
      collection = random() % 2 == 0 ? 0 : static_cast<std::uint32_t>(random() % kCollections);
    }
    row.collection = collection;
    std::size_t length = 5 + random() % 30;
    if (random() % 100 == 0) length = random() % 2 == 0 ? 600 : 0;
    for (std::size_t i = 0; i < length; ++i) ++row.terms["t" + std::to_string(zipf(random))];
  }
  return rows;
}

Bitmap random_bitmap(std::mt19937& random, std::size_t rows, double share) {
  Bitmap bitmap{rows};
  for (Row row = 0; row < rows; ++row) {
    if (static_cast<double>(random()) < share * 4294967296.0) bitmap.set(row);
  }
  return bitmap;
}

ByteSink into(std::string& bytes) {
  return [&bytes](std::string_view piece) {
    bytes += piece;
    return Status{};
  };
}

void fill(GrowingInverted& growing, const std::vector<ModelRow>& rows) {
  for (const ModelRow& row : rows) {
    std::vector<TermCount> terms;
    for (const auto& [term, count] : row.terms) terms.push_back({term, count});
    growing.add(row.collection, terms);
  }
}

struct Immutable {
  std::string bytes;
  std::unique_ptr<InvertedIndex> index;

  void open() {
    Result<std::unique_ptr<InvertedIndex>> opened = InvertedIndex::open(bytes);
    ASSERT_TRUE(opened) << opened.error().message;
    index = std::move(*opened);
  }
};

// Rows that grow, the same serialized, and deletes.
struct Segment {
  Segment(std::mt19937& random, const Zipf& zipf, std::size_t count)
      : model{random_rows(random, zipf, count)}, live{random_bitmap(random, count, 0.8)} {
    fill(growing, model.rows());
    EXPECT_TRUE(growing.serialize(into(immutable.bytes)));
    immutable.open();
  }
  Model model;
  Bitmap live;
  GrowingInverted growing;
  Immutable immutable;
};

std::vector<ModelRow> survivors(const Segment& segment) {
  std::vector<ModelRow> rows;
  for (Row row = 0; row < segment.model.rows().size(); ++row) {
    if (segment.live.test(row)) rows.push_back(segment.model.rows()[row]);
  }
  return rows;
}

constexpr double kTolerance = 1e-5;  // of a score

// Each hit has its score, and no row that is left out has a better one.
void expect_best(const std::vector<LexicalHit>& hits, std::vector<double> scores,
                 std::size_t count) {
  Bitmap seen{scores.size()};
  for (std::size_t i = 0; i < hits.size(); ++i) {
    EXPECT_FALSE(seen.test(hits[i].row));
    seen.set(hits[i].row);
    ASSERT_GT(scores[hits[i].row], 0);
    EXPECT_NEAR(hits[i].score, scores[hits[i].row], kTolerance * scores[hits[i].row]);
    if (i == 0) continue;
    EXPECT_GE(hits[i - 1].score, hits[i].score);
    if (hits[i - 1].score == hits[i].score) {
      EXPECT_LT(hits[i - 1].row, hits[i].row);
    }
  }
  std::erase(scores, 0.0);
  const std::size_t best = std::min(count, scores.size());
  ASSERT_EQ(hits.size(), best);
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(best),
                    scores.end(), std::greater<>{});
  for (std::size_t i = 0; i < best; ++i) {
    EXPECT_NEAR(hits[i].score, scores[i], kTolerance * scores[i]);
  }
}

void expect_equal(const std::vector<LexicalHit>& left, const std::vector<LexicalHit>& right) {
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].row, right[i].row);
    EXPECT_EQ(left[i].score, right[i].score);
  }
}

std::vector<std::string> names_of(const std::vector<QueryTerm>& terms) {
  std::vector<std::string> names;
  for (const QueryTerm& term : terms) names.push_back(term.term);
  return names;
}

class RandomQueries : public ::testing::TestWithParam<unsigned> {
 protected:
  RandomQueries()
      : random_{GetParam()},
        zipf_{kTerms},
        first_{random_, zipf_, 9'000},
        second_{random_, zipf_, 5'000} {
    std::vector<ModelRow> rows = survivors(first_);
    for (ModelRow& row : survivors(second_)) rows.push_back(std::move(row));
    merged_model_ = std::make_unique<Model>(std::move(rows));
    const std::vector<InvertedIndex::Source> sources{
        {first_.immutable.index.get(), &first_.live},
        {second_.immutable.index.get(), &second_.live}};
    EXPECT_TRUE(InvertedIndex::merge(sources, into(merged_.bytes)));
    merged_.open();
  }

  void draw_query() {
    const std::vector<Bm25> parameters{{}, {1.2F, 0.75F}, {2.0F, 1.0F}, {0.0F, 0.5F}, {0.9F, 0.0F}};
    const CollectionLength length = first_.immutable.index->length(query_.collection);
    query_.collection =
        random_() % 2 == 0 ? 0 : static_cast<std::uint32_t>(random_() % kCollections);
    query_.bm25 = parameters[random_() % parameters.size()];
    query_.mean_length = static_cast<float>(length.terms + 1) / static_cast<float>(length.rows + 1);
    terms_.clear();
    const std::size_t size = 1 + random_() % 20;
    for (std::size_t i = 0; i < size; ++i) {
      const std::string term =
          "t" + std::to_string(random_() % 4 == 0 ? random_() % (kTerms + 9) : zipf_(random_));
      const auto with = first_.immutable.index->document_frequency(query_.collection, term);
      terms_.push_back({term, bm25_idf(length.rows, with)});
    }
    query_.terms = terms_;
  }
  // All that is live, or a share of it.
  Bitmap draw_filter(const Bitmap& live) {
    constexpr double kShares[] = {1, 1, 0.5, 0.1, 0.01, 0.001};
    const double share = kShares[random_() % std::size(kShares)];
    if (share == 1) return live;
    Bitmap rows = random_bitmap(random_, live.rows(), share);
    return rows &= live;
  }

  std::mt19937 random_;
  Zipf zipf_;
  Segment first_;
  Segment second_;
  std::unique_ptr<Model> merged_model_;
  Immutable merged_;
  LexicalQuery query_;
  std::vector<QueryTerm> terms_;
};

// What is found must be what scoring every row finds: by the model, and by a search for all rows,
// which skips nothing.
TEST_P(RandomQueries, find_what_scoring_every_row_finds) {
  const Bitmap everything{merged_.index->rows(), true};
  for (int i = 0; i < kQueries && !HasFailure(); ++i) {
    SCOPED_TRACE("query " + std::to_string(i));
    draw_query();
    const std::size_t count = std::vector<std::size_t>{1, 10, 100}[random_() % 3];
    const bool merged = random_() % 2 == 0;
    const InvertedIndex& index = merged ? *merged_.index : *first_.immutable.index;
    const Bitmap rows = draw_filter(merged ? everything : first_.live);
    const std::vector<LexicalHit> hits = index.search(query_, rows, count);
    expect_best(hits, (merged ? *merged_model_ : first_.model).scores(query_, rows), count);
    if (!merged) expect_equal(hits, first_.growing.search(query_, rows, count));
    std::vector<LexicalHit> all = index.search(query_, rows, index.rows());
    all.resize(std::min(all.size(), count));
    expect_equal(hits, all);
  }
}

// Few rows here and there, or many next to one another; some of other collections.
std::vector<Row> draw_rows(std::mt19937& random, std::size_t rows) {
  std::vector<Row> drawn;
  const std::size_t count = random() % 300;
  const std::size_t begin = random() % rows;
  const std::size_t range = random() % 2 == 0 ? rows : 1 + random() % 400;
  for (std::size_t i = 0; i < count; ++i) {
    drawn.push_back(static_cast<Row>((begin + random() % range) % rows));
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

TEST_P(RandomQueries, matches_are_what_the_rows_hold) {
  for (int i = 0; i < kQueries / 5 && !HasFailure(); ++i) {
    draw_query();
    const bool merged = random_() % 2 == 0;
    const InvertedIndex& index = merged ? *merged_.index : *first_.immutable.index;
    const Model& model = merged ? *merged_model_ : first_.model;
    const std::vector<Row> rows = draw_rows(random_, index.rows());
    const std::vector<std::string> terms = names_of(terms_);
    const TermMatches found = index.matches(query_.collection, terms, rows);
    ASSERT_EQ(found.lengths.size(), rows.size());
    ASSERT_EQ(found.counts.size(), rows.size() * terms.size());
    for (std::size_t at = 0; at < rows.size(); ++at) {
      const ModelRow& row = model.rows()[rows[at]];
      EXPECT_EQ(found.lengths[at], model.length(rows[at]));
      for (std::size_t term = 0; term < terms.size(); ++term) {
        const auto held = row.terms.find(terms[term]);
        const bool has = row.collection == query_.collection && held != row.terms.end();
        EXPECT_EQ(found.counts[at * terms.size() + term], has ? held->second : 0);
      }
    }
    if (merged) continue;
    const TermMatches growing = first_.growing.matches(query_.collection, terms, rows);
    EXPECT_EQ(found.lengths, growing.lengths);
    EXPECT_EQ(found.counts, growing.counts);
  }
}

// The search's score: to the last bit where bm25.h says so, else but for one rounding.
TEST_P(RandomQueries, matches_score_as_the_search_does) {
  const Bitmap everything{merged_.index->rows(), true};
  constexpr double kExact = 1 << 19;
  int exact = 0;
  int rounded = 0;
  for (int i = 0; i < kQueries / 5 && !HasFailure(); ++i) {
    draw_query();
    // Parts of any size, as those of words that nearly all rows have.
    if (i % 4 == 0) terms_.front().weight = std::ldexp(terms_.front().weight, -26);
    std::vector<LexicalHit> hits = merged_.index->search(query_, everything, 300);
    std::sort(hits.begin(), hits.end(),
              [](const auto& left, const auto& right) { return left.row < right.row; });
    std::vector<Row> rows;
    for (const LexicalHit& hit : hits) rows.push_back(hit.row);
    const TermMatches found = merged_.index->matches(query_.collection, names_of(terms_), rows);
    for (std::size_t at = 0; at < rows.size(); ++at) {
      const float norm = bm25_norm(query_.bm25, found.lengths[at], query_.mean_length);
      Bm25Sum sum{norm};
      float least = std::numeric_limits<float>::infinity();
      float most = 0;
      for (std::size_t term = 0; term < terms_.size(); ++term) {
        const std::uint32_t count = found.counts[at * terms_.size() + term];
        sum.add(terms_[term].weight, count);
        if (count == 0) continue;
        const float part = bm25_part(terms_[term].weight, count, norm);
        least = std::min(least, part);
        most = std::max(most, part);
      }
      if (most < kExact * least) {
        EXPECT_EQ(sum.score(), hits[at].score);
        ++exact;
      } else {
        EXPECT_LE(sum.score(), std::nextafter(hits[at].score, INFINITY));
        EXPECT_GE(sum.score(), std::nextafter(hits[at].score, 0.0F));
        ++rounded;
      }
    }
  }
  EXPECT_GT(exact, 1'000);
  EXPECT_GT(rounded, 100);
}

TEST_P(RandomQueries, a_merge_is_byte_for_byte_what_its_rows_alone_would_be) {
  GrowingInverted growing;
  fill(growing, merged_model_->rows());
  std::string built;
  ASSERT_TRUE(growing.serialize(into(built)));
  EXPECT_TRUE(built == merged_.bytes);
  for (std::uint32_t collection = 0; collection < kCollections; ++collection) {
    EXPECT_EQ(growing.length(collection).rows, merged_.index->length(collection).rows);
    EXPECT_EQ(growing.length(collection).terms, merged_.index->length(collection).terms);
    EXPECT_EQ(growing.document_frequency(collection, "t0"),
              merged_.index->document_frequency(collection, "t0"));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomQueries, ::testing::Values(1U, 2U, 3U, 4U));

}  // namespace
}  // namespace millrace
