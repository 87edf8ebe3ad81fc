#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// ISO 639-1 code of the language that most of the text is in ("en", "zh"); empty where it is too
// short or too mixed to say. Any thread.
std::string detect_language(std::string_view utf8);

struct QueryWord {
  std::string word;  // not stemmed: the same whatever the languages
  std::vector<std::string> terms;
};

// Makes the terms by which a text is found; README.md has the rules. The same text in the same
// language always gives the same terms: they are what an index holds. A term has at most
// kTermBytesMax bytes; of a longer word the first ones. Any bytes will do; time and terms are
// linear in them. Keeps ICU's iterators and the stemmers: one per thread.
class Analyzer {
 public:
  Analyzer();
  ~Analyzer();
  Analyzer(const Analyzer&) = delete;
  Analyzer& operator=(const Analyzer&) = delete;

  // Terms in the order of the text, appended, repeated as often as they occur. `language` as
  // detect_language() gives it; one without a stemmer, or empty: not stemmed.
  void analyze(std::string_view utf8, std::string_view language, std::vector<std::string>& terms);

  // The words of a question, each once, with what each is in texts of each of `languages` (a
  // question is too short to know its own, and the index knows those of its texts). The terms of a
  // word weigh alike, by how many texts hold any of them, lest a word count as rare for being rare
  // in one language. No term is in two words.
  std::vector<QueryWord> query_words(std::string_view utf8, std::span<const std::string> languages);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::size_t kTermBytesMax = 64;

// Words of a question that are looked for; the first ones.
inline constexpr std::size_t kQueryWordsMax = 1024;

// Of the rules of detection and analysis: indexes made with another one are made anew.
inline constexpr int kAnalysisVersion = 1;

}  // namespace millrace
