#include "tests/unit/index/search_model.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <sstream>

#include "schemas/float16.h"

namespace millrace::testing_index {
namespace {

struct Form {
  const char* word;
  const char* stem;
};
// Frequent ones first.
constexpr Form kForms[] = {
    {"the", "the"},
    {"and", "and"},
    {"of", "of"},
    {"in", "in"},
    {"with", "with"},
    {"house", "hous"},
    {"houses", "hous"},
    {"walking", "walk"},
    {"walked", "walk"},
    {"walks", "walk"},
    {"water", "water"},
    {"waters", "water"},
    {"engine", "engin"},
    {"engines", "engin"},
    {"table", "tabl"},
    {"tables", "tabl"},
    {"reading", "read"},
    {"reads", "read"},
    {"connected", "connect"},
    {"connects", "connect"},
    {"street", "street"},
    {"streets", "street"},
    {"window", "window"},
    {"windows", "window"},
    {"green", "green"},
    {"painted", "paint"},
    {"painting", "paint"},
    {"paints", "paint"},
    {"morning", "morn"},
    {"mornings", "morn"},
};
constexpr std::size_t kNumbers = 2'000;  // 1000, 1001, …: the words of no language
constexpr std::size_t kBuckets = 1'000;

std::string stem_of(const std::string& word) {
  for (const Form& form : kForms) {
    if (word == form.word) return form.stem;
  }
  return word;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in{text};
  return {std::istream_iterator<std::string>{in}, {}};
}

double idf(std::int64_t rows, std::int64_t with) {
  const auto all = static_cast<double>(rows);
  const auto some = static_cast<double>(std::min(rows, with));
  return std::log(1 + (all - some + 0.5) / (some + 0.5));
}

}  // namespace

void ModelCollection::Statistics::add(const ModelRow& row, int sign) {
  rows += sign;
  terms += sign * row.length;
  for (const auto& [term, count] : row.counts) rows_with[term] += sign;
}

void ModelCollection::put(const std::string& document, std::vector<ModelRow> rows) {
  remove(document);
  for (const ModelRow& row : rows) {
    now_.add(row, 1);
    ever_.add(row, 1);
  }
  documents_[document] = std::move(rows);
}

void ModelCollection::remove(const std::string& document) {
  const auto found = documents_.find(document);
  if (found == documents_.end()) return;
  for (const ModelRow& row : found->second) now_.add(row, -1);
  documents_.erase(found);
}

std::size_t RandomTexts::zipf(std::size_t end) {
  const double share = static_cast<double>(random_()) / 4294967296.0;
  return static_cast<std::size_t>(std::pow(static_cast<double>(end), share)) - 1;
}

std::string RandomTexts::number() { return std::to_string(1'000 + zipf(kNumbers)); }
std::string RandomTexts::english() { return kForms[zipf(std::size(kForms))].word; }

std::string RandomTexts::text(bool is_english) {
  const std::size_t words = is_english ? 20 + below(40) : below(40);
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += (is_english && below(5) > 0 ? english() : number()) + " ";
  }
  return text;
}

std::string RandomTexts::question(std::size_t words) {
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += (below(20) == 0 ? "9999" : below(2) == 0 ? english() : number()) + " ";
  }
  return text;
}

std::vector<ModelRow> RandomTexts::fill(Revision& revision, bool is_english) {
  const auto bucket = static_cast<int>(below(kBuckets));
  const std::string kind(1, "xyz"[below(3)]);
  DocumentRef& document = revision.document;
  document.title.clear();  // it would be among the terms
  document.metadata = R"({"bucket": )" + std::to_string(bucket) + R"(, "kind": ")" + kind + "\"}";
  std::vector<ModelRow> rows;
  for (std::size_t i = 0; i < revision.chunks.size(); ++i) {
    Chunk& chunk = revision.chunks[i];
    chunk.headings.clear();
    chunk.text = text(is_english);
    ModelRow& row = rows.emplace_back();
    row.chunk_id = chunk.chunk_id;
    row.bucket = bucket;
    row.kind = kind;
    row.allow = document.allow;
    for (const std::string& word : words_of(chunk.text)) {
      ++row.counts[is_english ? stem_of(word) : word];
      ++row.length;
    }
    for (const float value : revision.vectors[i]) {
      row.vector.push_back(float_from(float16_from(value)));
    }
  }
  return rows;
}

ModelQuestion read_question(const std::string& text, const std::vector<std::string>& languages) {
  ModelQuestion question{text, {}};
  std::set<std::string> seen;
  for (const std::string& word : words_of(text)) {
    std::vector<std::string> terms;
    for (const std::string& language : languages) {
      const std::string term = language.empty() ? word : stem_of(word);
      if (seen.insert(term).second) terms.push_back(term);
    }
    if (!terms.empty()) question.words.emplace_back(word, terms);
  }
  return question;
}

ModelScorer::ModelScorer(const ModelQuestion& question, const LexicalEvidence& evidence)
    : question_{question} {
  if (evidence.rows > 0 && evidence.terms > 0) {
    mean_length_ = static_cast<double>(evidence.terms) / static_cast<double>(evidence.rows);
  }
  for (const LexicalEvidence::Word& word : evidence.words) {
    weights_.push_back(idf(evidence.rows, word.rows));
    most_ += weights_.back();
  }
}

double ModelScorer::score(const ModelRow& row) const {
  constexpr double k1 = 0.9;
  constexpr double b = 0.4;
  const double length = static_cast<double>(rounded_length(row.length));
  const double norm = k1 * (1 - b + b * length / mean_length_);
  double sum = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    for (const std::string& term : question_.words[i].second) {
      const auto found = row.counts.find(term);
      if (found == row.counts.end()) continue;
      const auto count = static_cast<double>(found->second);
      sum += weights_[i] * count / (count + norm);
    }
  }
  return sum;
}

double cosine(const ModelRow& row, std::span<const float> vector) {
  double sum = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    sum += static_cast<double>(row.vector[i]) * static_cast<double>(vector[i]);
  }
  return sum;
}

std::int64_t rounded_length(std::int64_t length) {
  int shift = 0;
  while (length >> shift >= 32) ++shift;
  return length >> shift << shift;
}

const std::vector<ModelFilter>& model_filters() {
  static const std::vector<ModelFilter> all{
      {"{}", [](const ModelRow&) { return true; }},
      {R"({"bucket": {"lt": 500}})", [](const ModelRow& row) { return row.bucket < 500; }},
      {R"({"bucket": {"gte": 900}})", [](const ModelRow& row) { return row.bucket >= 900; }},
      {R"({"bucket": {"lt": 10}})", [](const ModelRow& row) { return row.bucket < 10; }},
      {R"({"bucket": {"in": [7, 70, 700]}})",
       [](const ModelRow& row) {
         return row.bucket == 7 || row.bucket == 70 || row.bucket == 700;
       }},
      {R"({"kind": "x"})", [](const ModelRow& row) { return row.kind == "x"; }},
      {R"({"not": {"kind": "x"}})", [](const ModelRow& row) { return row.kind != "x"; }},
      {R"({"or": [{"bucket": {"lt": 20}}, {"kind": "y", "bucket": {"gt": 950}}]})",
       [](const ModelRow& row) {
         return row.bucket < 20 || (row.kind == "y" && row.bucket > 950);
       }},
      {R"({"bucket": -1})", [](const ModelRow&) { return false; }},
  };
  return all;
}

bool may_see(const ModelRow& row, bool sees_everything, std::span<const std::string> groups) {
  if (sees_everything || row.allow.empty()) return true;
  return std::ranges::any_of(groups, [&](const std::string& group) {
    return std::ranges::find(row.allow, group) != row.allow.end();
  });
}

}  // namespace millrace::testing_index
