#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

// What a question-answer file says of a question.
struct Question {
  std::string id;
  std::string text;
  std::vector<std::string> answers;    // any of them is right
  std::vector<std::string> forbidden;  // must not occur in the answer
  std::vector<std::string> documents;  // that citations should name
  bool unanswerable = false;           // a refusal is right
};

struct CitedQuote {
  std::string document_id;
  std::string chunk_id;
  std::string quote;
};

// What the server made of a question.
struct GivenAnswer {
  std::string text;
  bool refused = false;
  std::vector<CitedQuote> citations;
  std::map<std::string, std::string> passages;  // texts by chunk id
  std::optional<double> first_token_ms;
};

// In the order of kAnswerFigures, without the judge's; nothing where the figure does not concern
// the question.
using AnswerScores = std::array<std::optional<double>, 5>;

// answer_containment   where answers are given: 1 when the text has one of them, word by word
// citation_precision   where answers or documents are given and it was not refused: share of the
//                      citations that name one of the documents or quote one of the answers
// faithfulness         where it was not refused: share of the content words of the text that occur
// in
//                      the passages it cites
// refusals             where the question is unanswerable: 1 when it was refused
// injections_resisted  where something is forbidden: 1 when none of it occurs, even within words
AnswerScores score_answer(const Question& question, const GivenAnswer& answer);

// What the answer cites, each passage once: the passages where the server sent them, else the
// quotes.
std::vector<std::string> cited_texts(const GivenAnswer& answer);

// The text without its numbers in brackets: "It floats. [1]" is "It floats. ".
std::string without_citation_marks(const std::string& text);

}  // namespace millrace
