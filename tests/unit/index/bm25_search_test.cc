#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "tests/support/sanitized.h"
#include "tests/unit/index/search_model.h"
#include "workers/index/fusion.h"
#include "workers/text/analyzer.h"

// Searches of an index with several segments, deletes, filters and rights, by words, by nearness
// and by both, against a scorer that looks at every row.
namespace millrace {
namespace {

using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::model_filters;
using testing_index::ModelCollection;
using testing_index::ModelFilter;
using testing_index::ModelQuestion;
using testing_index::ModelRow;
using testing_index::ModelScorer;
using testing_index::open_index;
using testing_index::random_vector;
using testing_index::RandomTexts;
using testing_index::read_question;
using testing_index::Revision;
using testing_index::TemporaryFolder;

constexpr int kRounds = kSanitizerShare == 1 ? 5 : 2;
// Of a round, of which there are kRounds for each of four seeds.
constexpr int kQueries = 500 / kSanitizerShare;
constexpr int kDocuments = 300;  // of each collection
constexpr std::size_t kBlockRows = 256;
constexpr std::size_t kLegDepth = 100;  // hits of a leg that are weighed against the other's
constexpr double kTie = 1e-5;

struct Asked {
  std::string collection;
  ModelQuestion question;
  std::vector<float> vector;
  std::vector<std::string> groups;
  const ModelFilter* filter = nullptr;
  Filter parsed;
  std::size_t top_k = 10;
  bool sees_everything = false;

  bool has_words() const { return !question.words.empty(); }
  bool has_vector() const { return !vector.empty(); }
  std::size_t count() const { return std::max(top_k, kRiseRank); }
  IndexSearch search() const {
    return {.collection = collection,
            .question = question.text,
            .vector = vector,
            .top_k = top_k,
            .sees_everything = sees_everything,
            .groups = groups,
            .filter = parsed};
  }
};

struct Scored {
  const ModelRow* row = nullptr;
  double bm25 = 0;
  double cosine = 0;
};

std::vector<Scored> visible(const Asked& asked, const ModelCollection& collection,
                            const ModelScorer& scorer) {
  std::vector<Scored> rows;
  for (const auto& [key, document] : collection.documents()) {
    for (const ModelRow& row : document) {
      if (!may_see(row, asked.sees_everything, asked.groups) || !asked.filter->matches(row)) {
        continue;
      }
      rows.push_back({&row, scorer.score(row), cosine(row, asked.vector)});
    }
  }
  return rows;
}

ModelCollection::Statistics seen_by(const Asked& asked, const ModelCollection& collection) {
  ModelCollection::Statistics seen;
  for (const auto& [key, document] : collection.documents()) {
    for (ModelRow row : document) {
      row.length = testing_index::rounded_length(row.length);
      if (may_see(row, asked.sees_everything, asked.groups)) seen.add(row, 1);
    }
  }
  return seen;
}

// What the index says of a collection counts for who sees everything all that is there, and perhaps
// what was; for others what they see.
void expect_evidence(const Asked& asked, const ModelCollection& collection,
                     const LexicalEvidence& evidence, bool only_added) {
  const ModelQuestion& question = asked.question;
  const ModelCollection::Statistics now =
      asked.sees_everything ? collection.now() : seen_by(asked, collection);
  const ModelCollection::Statistics& ever = asked.sees_everything ? collection.ever() : now;
  const bool exact = only_added || !asked.sees_everything;
  const auto expect_between = [&](std::int64_t least, std::int64_t value, std::int64_t most) {
    EXPECT_GE(value, least);
    EXPECT_LE(value, exact ? least : most);
  };
  expect_between(now.rows, evidence.rows, ever.rows);
  expect_between(now.terms, evidence.terms, ever.terms);
  const auto rows_with = [](const auto& statistics, const std::vector<std::string>& terms) {
    std::int64_t sum = 0;
    for (const std::string& term : terms) {
      const auto found = statistics.rows_with.find(term);
      if (found != statistics.rows_with.end()) sum += found->second;
    }
    return std::min(sum, statistics.rows);
  };
  ASSERT_EQ(evidence.words.size(), question.words.size());
  for (std::size_t i = 0; i < evidence.words.size(); ++i) {
    const auto& [word, terms] = question.words[i];
    EXPECT_EQ(evidence.words[i].word, word);
    expect_between(rows_with(now, terms), evidence.words[i].rows, rows_with(ever, terms));
  }
}

// Of a passage the cosine, the length and how often it has each word.
void expect_match(const Asked& asked, const Passage& passage, const Scored& scored) {
  ASSERT_TRUE(passage.match);
  EXPECT_EQ(passage.match->cosine.has_value(), asked.has_vector());
  if (asked.has_vector()) {
    EXPECT_NEAR(passage.match->cosine.value_or(-2), scored.cosine, kTie);
  }
  if (!asked.has_words()) return;
  EXPECT_EQ(passage.match->length, testing_index::rounded_length(scored.row->length));
  ASSERT_EQ(passage.match->counts.size(), asked.question.words.size());
  for (std::size_t i = 0; i < asked.question.words.size(); ++i) {
    std::int64_t wanted = 0;
    std::int64_t found = 0;
    for (const std::string& term : asked.question.words[i].second) {
      const auto counted = scored.row->counts.find(term);
      if (counted != scored.row->counts.end()) wanted += counted->second;
    }
    for (const std::int64_t count : passage.match->counts[i]) found += count;
    EXPECT_EQ(found, wanted) << asked.question.words[i].first;
  }
}

// The `rank`th best value; less than any where there are not so many.
double nth_best(std::vector<double> values, std::size_t rank) {
  if (values.size() < rank) return -std::numeric_limits<double>::infinity();
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::ranges::nth_element(values, nth, std::greater<>{});
  return *nth;
}

// Which rows a leg hands on, ties apart.
struct Legs {
  double least_bm25 = 0;
  double least_cosine = 0;

  Legs(const std::vector<Scored>& rows) {
    std::vector<double> bm25s;
    std::vector<double> cosines;
    for (const Scored& row : rows) {
      if (row.bm25 > 0) bm25s.push_back(row.bm25);
      cosines.push_back(row.cosine);
    }
    least_bm25 = nth_best(bm25s, kLegDepth);
    least_cosine = nth_best(cosines, kLegDepth);
  }
  bool take(const Scored& row, bool near, double tie) const {
    return (near && row.cosine > least_cosine + tie) ||
           (row.bm25 > 0 && row.bm25 > least_bm25 + tie);
  }
};

// Those that are among the best for some weighing must be found; ties either way.
void expect_best(const Asked& asked, const std::vector<Scored>& rows, double most,
                 const std::set<std::string>& found) {
  const Legs legs{rows};
  const bool both = asked.has_vector() && asked.has_words();
  for (int weighing = 0; weighing < (both ? kWeighings : 1); ++weighing) {
    const double share = both ? weighing / (kWeighings - 1.0) : asked.has_words() ? 1 : 0;
    const auto mixed = [&](const Scored& row) {
      const double lexical = most > 0 ? row.bm25 / most : 0;
      return (1 - share) * std::clamp(row.cosine, 0.0, 1.0) + share * lexical;
    };
    std::vector<double> values;
    for (const Scored& row : rows) {
      if (legs.take(row, asked.has_vector(), -kTie * (1 + most))) values.push_back(mixed(row));
    }
    const double least = nth_best(std::move(values), asked.count());
    for (const Scored& row : rows) {
      if (!legs.take(row, asked.has_vector(), kTie * (1 + most))) continue;
      if (mixed(row) <= least + kTie) continue;
      EXPECT_TRUE(found.contains(row.row->chunk_id))
          << "weighing " << weighing << ": score " << mixed(row) << ", over " << least;
    }
  }
}

void expect_right(const Asked& asked, const ModelCollection& collection, const IndexHits& hits) {
  const ModelScorer scorer{asked.question, hits.evidence};
  const std::vector<Scored> rows = visible(asked, collection, scorer);
  std::map<std::string, const Scored*> by_id;
  for (const Scored& row : rows) by_id[row.row->chunk_id] = &row;
  std::set<std::string> found;
  for (const Passage& passage : hits.passages) {
    EXPECT_TRUE(found.insert(passage.chunk_id).second) << "twice: " << passage.chunk_id;
    const auto known = by_id.find(passage.chunk_id);
    ASSERT_TRUE(known != by_id.end()) << "not to be seen: " << passage.document_id;
    expect_match(asked, passage, *known->second);
    if (!asked.has_vector()) {
      EXPECT_GT(known->second->bm25, 0) << "no word of the question";
    }
  }
  expect_best(asked, rows, scorer.most(), found);
  const auto matching = static_cast<std::size_t>(std::ranges::count_if(
      rows, [&](const Scored& row) { return asked.has_vector() || row.bm25 > 0; }));
  const std::size_t wanted = std::min(matching, asked.count());
  if (asked.has_vector() && asked.has_words()) {
    EXPECT_GE(found.size(), wanted);
  } else {
    EXPECT_EQ(found.size(), wanted);
  }
}

class Bm25Search : public ::testing::TestWithParam<unsigned> {
 protected:
  Bm25Search() {
    for (const ModelFilter& filter : model_filters()) {
      const Result<Filter> parsed = Filter::parse(filter.json, {});
      EXPECT_TRUE(parsed) << parsed.error().message;
      filters_.push_back(*parsed);
    }
  }

  std::size_t below(std::size_t end) { return random_() % end; }

  void put(const std::string& collection, int id) {
    const bool is_english = collection == "english" || (collection == "mixed" && below(2) == 0);
    const std::vector<std::vector<std::string>> lists{{}, {}, {}, {"red"}, {"blue", "green"}};
    Revision revision = make_revision(random_, collection, "doc-" + std::to_string(id),
                                      "R" + std::to_string(revisions_++),
                                      static_cast<int>(1 + below(7)), 1, lists[below(5)]);
    std::vector<ModelRow> rows = texts_.fill(revision, is_english);
    ASSERT_EQ(detect_language(revision.chunks.front().text), is_english ? "en" : "")
        << "the rows would have other terms than the model thinks";
    ASSERT_TRUE(index_->apply(revision.batch(0)));
    collections_.at(collection).put(document_key(revision.document), std::move(rows));
  }

  void remove(const std::string& collection, int id) {
    const Revision removal =
        make_removal(collection, "doc-" + std::to_string(id), "R" + std::to_string(revisions_++));
    ASSERT_TRUE(index_->apply(removal.batch(0)));
    collections_.at(collection).remove(document_key(removal.document));
  }

  // A third of the documents are replaced, a fifth removed.
  void change_much() {
    for (int id = 0; id < kDocuments && !HasFatalFailure(); ++id) {
      for (const auto& [collection, unused] : collections_) {
        const std::size_t dice = below(15);
        if (dice < 5) {
          put(collection, id);
        } else if (dice < 8) {
          remove(collection, id);
        }
      }
    }
    ASSERT_TRUE(index_->checkpoint(++position_));
    ASSERT_TRUE(index_->snapshot());
  }

  Asked draw() {
    const std::vector<std::vector<std::string>> askers{{}, {"red"}, {"green", "blue"}, {"nobody"}};
    Asked asked;
    asked.collection = std::vector<std::string>{"mixed", "mixed", "numbers", "english"}[below(4)];
    const std::size_t dice = below(5);  // three of five by words alone
    if (dice >= 3) asked.vector = random_vector(random_);
    asked.question = read_question(texts_.question(dice == 3 ? 0 : 1 + below(12)),
                                   collections_.at(asked.collection).languages());
    asked.groups = askers[below(askers.size())];
    asked.sees_everything = below(4) == 0;
    const std::size_t filter = below(2) == 0 ? 0 : below(filters_.size());
    asked.filter = &model_filters()[filter];
    asked.parsed = filters_[filter];
    asked.top_k = std::vector<std::size_t>{1, 10, 30}[below(3)];
    return asked;
  }

  // `only_added`: what the index counts is exactly what is there.
  void ask_much(bool only_added) {
    for (int asked = 0; asked < kQueries && !HasFailure();) {
      std::vector<Asked> batch(1 + below(6));
      for (Asked& each : batch) each = draw();
      std::vector<IndexSearch> searches;
      for (const Asked& each : batch) searches.push_back(each.search());
      const std::vector<Result<IndexHits>> hits = index_->search(searches);
      ASSERT_EQ(hits.size(), batch.size());
      for (std::size_t i = 0; i < batch.size(); ++i, ++asked) {
        SCOPED_TRACE(batch[i].collection + ": \"" + batch[i].question.text + "\" with " +
                     batch[i].filter->json);
        ASSERT_TRUE(hits[i]) << hits[i].error().message;
        const ModelCollection& collection = collections_.at(batch[i].collection);
        if (batch[i].has_words()) {
          expect_evidence(batch[i], collection, hits[i]->evidence, only_added);
        }
        expect_right(batch[i], collection, *hits[i]);
      }
    }
  }

  std::mt19937 random_{GetParam()};
  RandomTexts texts_{random_};
  TemporaryFolder folder_;
  std::unique_ptr<PartitionIndex> index_ = open_index(folder_.path() / "index", kBlockRows);
  std::map<std::string, ModelCollection> collections_{{"english", ModelCollection{{"", "en"}}},
                                                      {"mixed", ModelCollection{{"", "en"}}},
                                                      {"numbers", ModelCollection{{""}}}};
  std::vector<Filter> filters_;
  int revisions_ = 0;
  Offset position_ = 0;
};

TEST_P(Bm25Search, finds_what_scoring_every_row_finds) {
  for (int id = 0; id < kDocuments && !HasFatalFailure(); ++id) {
    for (const auto& [collection, unused] : collections_) put(collection, id);
  }
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ask_much(round == 0);
    EXPECT_GT(index_->counts().segments, 1);
    change_much();
    if (round % 2 == 0) continue;  // what is merged now is searched meanwhile
    index_.reset();
    index_ = open_index(folder_.path() / "index", kBlockRows);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Bm25Search, ::testing::Values(1U, 2U, 3U, 4U));

}  // namespace
}  // namespace millrace
