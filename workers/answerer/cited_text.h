#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {

// A model's text with numbers in brackets, resolved against the passages it was given.
struct CitedText {
  std::vector<Citation> citations;  // in the order of the text, none twice
  double cited = 0;                 // share of the text's sentences that a valid number follows
  double support = 0;               // mean share of a citing sentence's words that its quote holds
  double relevance = 0;             // best score of a cited passage, from 0 to 1
};

// Numbers stand as [1], [1, 2] or [1][2], in a sentence or right after it. They are those of the
// prompt, where neighbouring passages are one. Each is resolved to the sentence of its passages
// that shares most with the sentence that cites it, as it stands in one of them; a number that none
// has is passed over.
CitedText resolve_citations(std::string_view text, std::span<const Passage> passages);

// How far an answer can be trusted, from 0 to 1:
//   0.5 * cited + 0.3 * support + 0.2 * relevance
// Half for saying where everything comes from, the rest for whether that is really there. Without
// any citation 0. Below kReviewBelow a person should look at it.
double confidence_of(const CitedText& cited);
inline constexpr double kReviewBelow = 0.5;

}  // namespace millrace
