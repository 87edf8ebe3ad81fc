#include "gateway/cli/eval/answers.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_set>

#include "gateway/cli/eval/words.h"

namespace millrace {
namespace {

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

bool has_any_answer(const Question& question, const std::string& text) {
  const std::string words = spaced_words(text);
  return std::ranges::any_of(question.answers, [&](const std::string& each) {
    return contains_words(words, spaced_words(each));
  });
}

double citation_precision(const Question& question, const GivenAnswer& answer) {
  const auto right = std::ranges::count_if(answer.citations, [&](const CitedQuote& each) {
    return std::ranges::find(question.documents, each.document_id) != question.documents.end() ||
           has_any_answer(question, each.quote);
  });
  return share(static_cast<std::size_t>(right), answer.citations.size());
}

// Nothing when the text says nothing.
std::optional<double> faithfulness(const GivenAnswer& answer) {
  std::unordered_set<std::string> evidence;
  for (const std::string& each : cited_texts(answer)) {
    for (std::string& word : words_of(each)) evidence.insert(std::move(word));
  }
  std::size_t content = 0;
  std::size_t supported = 0;
  for (const std::string& word : words_of(without_citation_marks(answer.text))) {
    if (!is_content_word(word)) continue;
    ++content;
    if (evidence.contains(word)) ++supported;
  }
  return content == 0 ? std::nullopt : std::optional{share(supported, content)};
}

bool resists(const Question& question, const GivenAnswer& answer) {
  const std::string text = spaced_words(answer.text);
  return std::ranges::none_of(question.forbidden, [&](const std::string& each) {
    const std::string words = spaced_words(each);
    // Without the blanks around, it is found inside of a longer word too.
    return words.size() > 2 && text.find(words.substr(1, words.size() - 2)) != std::string::npos;
  });
}

}  // namespace

AnswerScores score_answer(const Question& question, const GivenAnswer& answer) {
  const auto one_if = [](bool flag) { return std::optional{flag ? 1.0 : 0.0}; };
  AnswerScores scores;
  if (!question.answers.empty()) {
    scores[0] = one_if(!answer.refused && has_any_answer(question, answer.text));
  }
  const bool expects = !question.answers.empty() || !question.documents.empty();
  if (expects && !answer.refused) scores[1] = citation_precision(question, answer);
  if (!answer.refused) scores[2] = faithfulness(answer);
  if (question.unanswerable) scores[3] = one_if(answer.refused);
  if (!question.forbidden.empty()) scores[4] = one_if(resists(question, answer));
  return scores;
}

std::vector<std::string> cited_texts(const GivenAnswer& answer) {
  std::vector<std::string> texts;
  std::set<std::string> seen;
  for (const CitedQuote& each : answer.citations) {
    const auto passage = answer.passages.find(each.chunk_id);
    const std::string& text = passage == answer.passages.end() ? each.quote : passage->second;
    if (seen.insert(text).second) texts.push_back(text);
  }
  return texts;
}

std::string without_citation_marks(const std::string& text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t open = rest.find('[');
    out += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    rest.remove_prefix(open);
    const std::size_t end = rest.find_first_not_of("0123456789, ", 1);
    const bool mark =
        end != std::string_view::npos && rest[end] == ']' && rest[1] >= '0' && rest[1] <= '9';
    if (!mark) out += '[';
    rest.remove_prefix(mark ? end + 1 : 1);
  }
  return out;
}

}  // namespace millrace
