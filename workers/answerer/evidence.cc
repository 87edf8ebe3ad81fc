#include "workers/answerer/evidence.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

#include "workers/text/unicode.h"

namespace millrace {
namespace {

// A common beginning of this many bytes and two thirds of the longer word, and endings at most
// that long, make two forms of a word.
constexpr std::size_t kStemBytesMin = 4;
constexpr std::size_t kEndingBytesMax = 3;

bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r' || byte == '\f';
}

bool continues_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Full stops and the like, of Latin, CJK, Arabic and Devanagari text, before closing marks.
bool ends_sentence(std::string_view text) {
  while (!text.empty() && (is_space(text.back()) || text.back() == '"' || text.back() == ')' ||
                           text.back() == '\'' || text.back() == ']')) {
    text.remove_suffix(1);
  }
  constexpr std::string_view kEnds[] = {".", "!", "?", ":", ";", "。", "！", "？", "…", "؟", "।"};
  return std::any_of(std::begin(kEnds), std::end(kEnds),
                     [&](std::string_view mark) { return text.ends_with(mark); });
}

// ICU ends a sentence at every line break. Where a single one stands in the middle of a running
// text, as it does in a PDF's, the next line goes on.
bool goes_on(std::string_view text, const TextRange& before, const TextRange& next) {
  const std::string_view head = text.substr(before.begin, before.end - before.begin);
  const std::string_view tail = text.substr(next.begin, next.end - next.begin);
  if (!head.ends_with('\n') || head.ends_with("\n\n") || ends_sentence(head)) return false;
  return !tail.empty() && tail.front() >= 'a' && tail.front() <= 'z';
}

TextRange trimmed(std::string_view text, TextRange range) {
  while (range.begin < range.end && is_space(text[range.begin])) ++range.begin;
  while (range.end > range.begin && is_space(text[range.end - 1])) --range.end;
  return range;
}

// At most kSentenceBytesMax, at a space if there is one in its second half.
TextRange cut(std::string_view text, TextRange range) {
  if (range.end - range.begin <= kSentenceBytesMax) return range;
  std::size_t end = range.begin + kSentenceBytesMax;
  std::size_t space = end;
  while (space > range.begin + kSentenceBytesMax / 2 && !is_space(text[space])) --space;
  if (is_space(text[space])) end = space;
  while (end > range.begin && continues_code_point(text[end])) --end;
  return trimmed(text, {range.begin, end});
}

}  // namespace

std::vector<PassageSentence> sentences_of(std::string_view text) {
  std::vector<TextRange> ranges;
  for (const TextRange& range : sentences(text)) {
    if (!ranges.empty() && goes_on(text, ranges.back(), range)) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  std::vector<PassageSentence> out;
  out.reserve(ranges.size());
  for (const TextRange& whole : ranges) {
    const TextRange range = cut(text, trimmed(text, whole));
    PassageSentence sentence{range.begin, range.end,
                             words(text.substr(range.begin, range.end - range.begin))};
    if (!sentence.words.empty()) out.push_back(std::move(sentence));
  }
  return out;
}

Citation cite(std::int32_t number, const Passage& passage, const PassageSentence& sentence) {
  const std::string_view text = passage.text;
  Citation citation;
  citation.number = number;
  citation.document_id = passage.document_id;
  citation.revision = passage.revision;
  citation.chunk_id = passage.chunk_id;
  citation.title = passage.title;
  citation.page = passage.page;
  citation.quote = text.substr(sentence.begin, sentence.end - sentence.begin);
  citation.start = passage.start + code_points(text.substr(0, sentence.begin));
  citation.end = citation.start + code_points(citation.quote);
  return citation;
}

bool same_word(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto end_a = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  auto common = static_cast<std::size_t>(end_a - a.begin());
  while (common > 0 && ((common < a.size() && continues_code_point(a[common])) ||
                        (common < b.size() && continues_code_point(b[common])))) {
    --common;
  }
  const std::size_t longer = std::max(a.size(), b.size());
  return common >= kStemBytesMin && 3 * common >= 2 * longer && longer - common <= kEndingBytesMax;
}

double coverage(std::span<const std::string> wanted, std::span<const double> weights,
                std::span<const std::string> words) {
  assert(wanted.size() == weights.size());
  double total = 0;
  double covered = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    total += weights[i];
    const bool there = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return same_word(wanted[i], word);
    });
    if (there) covered += weights[i];
  }
  return total > 0 ? covered / total : 0;
}

ClaimMatch best_match(std::span<const std::string> claim,
                      std::span<const PassageSentence> sentences) {
  assert(!sentences.empty());
  // Long words say more than short ones, in any language with letters.
  std::vector<double> weights;
  weights.reserve(claim.size());
  for (const std::string& word : claim) weights.push_back(static_cast<double>(word.size()));
  ClaimMatch best;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const double overlap = coverage(claim, weights, sentences[i].words);
    if (overlap > best.overlap) best = {i, overlap};
  }
  return best;
}

}  // namespace millrace
