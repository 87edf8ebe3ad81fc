#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schemas/query.h"
#include "tests/unit/index/index_model.h"

// A scorer that looks at every row, with terms of its own: texts are made of numbers, which are
// terms as they are, and of a few English words whose stems stand in a table.
namespace millrace::testing_index {

using Counts = std::map<std::string, std::int64_t>;

struct ModelRow {
  std::string chunk_id;
  Counts counts;  // of its terms
  std::int64_t length = 0;
  int bucket = 0;  // these two are its document's metadata
  std::string kind;
  std::vector<std::string> allow;
  std::vector<float> vector;  // as float16 has it
};

// The rows of a collection, by document.
class ModelCollection {
 public:
  // `languages`: what a question's words are stemmed for; "" always, as texts may have none.
  explicit ModelCollection(std::vector<std::string> languages) : languages_{std::move(languages)} {}
  void put(const std::string& document, std::vector<ModelRow> rows);
  void remove(const std::string& document);

  const std::vector<std::string>& languages() const { return languages_; }
  const std::map<std::string, std::vector<ModelRow>>& documents() const { return documents_; }
  // Of the rows that are there, and of those that ever were.
  struct Statistics {
    std::int64_t rows = 0;
    std::int64_t terms = 0;
    Counts rows_with;  // by term
    void add(const ModelRow& row, int sign);
  };
  const Statistics& now() const { return now_; }
  const Statistics& ever() const { return ever_; }

 private:
  std::vector<std::string> languages_;
  std::map<std::string, std::vector<ModelRow>> documents_;
  Statistics now_;
  Statistics ever_;
};

// Makes texts, questions and documents. Frequent words come first.
class RandomTexts {
 public:
  explicit RandomTexts(std::mt19937& random) : random_{random} {}
  std::string number();
  std::string english();
  std::string text(bool is_english);
  std::string question(std::size_t words);
  // A document with one such text for each chunk and its metadata, and its rows.
  std::vector<ModelRow> fill(Revision& revision, bool is_english);
  std::size_t below(std::size_t end) { return random_() % end; }

 private:
  std::size_t zipf(std::size_t end);
  std::mt19937& random_;
};

// A question's words, each with the terms that it may be in a text of one of the languages.
struct ModelQuestion {
  std::string text;
  std::vector<std::pair<std::string, std::vector<std::string>>> words;
};
ModelQuestion read_question(const std::string& text, const std::vector<std::string>& languages);

// BM25 by its formula, with what the index says of the collection: tests look at that for itself.
class ModelScorer {
 public:
  ModelScorer(const ModelQuestion& question, const LexicalEvidence& evidence);
  double most() const { return most_; }  // that a row can score
  double score(const ModelRow& row) const;

 private:
  const ModelQuestion& question_;
  double mean_length_ = 1;
  std::vector<double> weights_;
  double most_ = 0;
};

double cosine(const ModelRow& row, std::span<const float> vector);
std::int64_t rounded_length(std::int64_t length);  // five leading bits, as inverted.h says

struct ModelFilter {
  std::string json;
  std::function<bool(const ModelRow&)> matches;
};
const std::vector<ModelFilter>& model_filters();  // the first one: everything

bool may_see(const ModelRow& row, bool sees_everything, std::span<const std::string> groups);

}  // namespace millrace::testing_index
