#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {

// What a reader gets when the passages do not hold the answer.
inline constexpr std::string_view kRefusal = "I could not find an answer to this in the documents.";

// A quote longer than this is not read: longer sentences (tables, lists) are cut at a word.
inline constexpr std::size_t kSentenceBytesMax = 600;

// A sentence of a passage, as what a citation points to: no white space at its ends.
struct PassageSentence {
  std::size_t begin = 0;  // bytes of the passage's text
  std::size_t end = 0;
  std::vector<std::string> words;  // lower-cased
};

// The sentences of a text that have words in them, in order. A line break inside a sentence, as
// text from a PDF has it, does not end it.
std::vector<PassageSentence> sentences_of(std::string_view text);

// How a sentence of the passage is cited: its span of the document in code points, and its text.
Citation cite(std::int32_t number, const Passage& passage, const PassageSentence& sentence);

// True for one word in two forms: the same, or alike up to a short ending ("invent", "invented").
bool same_word(std::string_view a, std::string_view b);

// How much of `wanted` the words cover, from 0 to 1, each weighted; weights.size() ==
// wanted.size().
double coverage(std::span<const std::string> wanted, std::span<const double> weights,
                std::span<const std::string> words);

// The sentence that shares most of the claim's words; 0 when none shares any. Asserted: not empty.
struct ClaimMatch {
  std::size_t sentence = 0;
  double overlap = 0;  // of the claim's words
};
ClaimMatch best_match(std::span<const std::string> claim,
                      std::span<const PassageSentence> sentences);

}  // namespace millrace
