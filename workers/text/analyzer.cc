#include "workers/text/analyzer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "workers/text/dictionaries.h"
#include "workers/text/identifiers.h"
#include "workers/text/letters.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

// Longer texts are read in pieces, so that memory does not grow with them.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 20U;
// What ICU's dictionaries see at a time.
constexpr std::size_t kDictionaryBytesMax = 4096;

// The first `bytes_max` bytes or a little less: whole code points.
std::string_view first_bytes(std::string_view utf8, std::size_t bytes_max) {
  if (utf8.size() <= bytes_max) return utf8;
  constexpr std::size_t kContinuationMax = 3;
  std::size_t end = bytes_max;
  while (end > bytes_max - kContinuationMax && !starts_code_point(utf8[end])) --end;
  return utf8.substr(0, end);
}

// As much of the text as is read at once, to the end of a word where that is near.
std::string_view first_piece(std::string_view utf8) {
  const std::string_view piece = first_bytes(utf8, kPieceBytesMax);
  if (piece.size() == utf8.size()) return piece;
  const std::size_t space = piece.find_last_of(" \n");
  return space == std::string_view::npos || space < kPieceBytesMax / 2 ? piece
                                                                       : piece.substr(0, space + 1);
}

// A letter alone beside an apostrophe is no word: l'eau, it's.
bool is_clitic(std::string_view text, const WordPart& part) {
  if (part.text.size() != 1 || part.kind != PartKind::kLetters) return false;
  const auto joins = [&](std::size_t mark, std::size_t beyond) {
    if (std::max(mark, beyond) >= text.size() || text[mark] != '\'') return false;
    return !is_ascii(text.substr(beyond, 1)) || next_class(text, beyond) != CharClass::kBreak;
  };
  const auto at = static_cast<std::size_t>(part.text.data() - text.data());
  return (at > 1 && joins(at - 1, at - 2)) || joins(at + 1, at + 2);
}

// Every code point is a syllable.
bool is_hangul(std::string_view word) {
  for (std::size_t at = 0; at < word.size();) {
    if (!is_hangul_syllable(next_code_point(word, at))) return false;
  }
  return true;
}

// The text between two parts of one text.
std::string_view between(std::string_view part, std::string_view next) {
  const char* end = part.data() + part.size();
  return {end, static_cast<std::size_t>(next.data() - end)};
}

bool all(std::span<const WordPart> parts, PartKind kind) {
  return std::all_of(parts.begin(), parts.end(),
                     [&](const WordPart& part) { return part.kind == kind; });
}

// U.S.A.
bool are_initials(std::span<const WordPart> group) {
  const auto inner = group.subspan(1);
  return all(group, PartKind::kLetters) &&
         std::all_of(group.begin(), group.end(),
                     [](const auto& part) { return part.text.size() == 1; }) &&
         std::all_of(inner.begin(), inner.end(),
                     [](const auto& part) { return part.joint <= Joint::kPoint; });
}

}  // namespace

struct Analyzer::Impl {
  // A question asks for a word as it is written; a text is found by its other forms too.
  enum class Side : std::uint8_t { kText, kQuestion };

  void read(std::string_view utf8, std::string_view language, Side as,
            std::vector<std::string>& out);

 private:
  void read_piece(std::string_view text);
  void take_run(std::string_view text, std::size_t& at);
  void end_word(std::string_view text);
  void add_part(const WordPart& part);
  void add_wholes();
  void add_whole(std::span<const WordPart> group);
  void add_letters(std::string_view folded);
  void add_pairs(std::string_view word);
  void take_dictionary_run(std::string_view text, std::size_t& at);
  void fold(std::string_view word) { fold_case(first_bytes(word, kTermBytesMax), turkish, folded); }
  void add(std::string_view term) { terms->emplace_back(first_bytes(term, kTermBytesMax)); }

  Stemmers stemmers;
  DictionaryWords dictionary;

  // Of the text that is read now.
  bool turkish = false;
  Side side = Side::kText;
  std::vector<std::string>* terms = nullptr;
  std::vector<WordPart> parts;
  std::string normal;
  std::string folded;
  std::string plain;
  std::string joined;
};

void Analyzer::Impl::read(std::string_view utf8, std::string_view language, Side as,
                          std::vector<std::string>& out) {
  stemmers.use(language);
  turkish = language == "tr" || language == "az";
  side = as;
  terms = &out;
  while (!utf8.empty()) {
    const std::string_view piece = first_piece(utf8);
    utf8.remove_prefix(piece.size());
    if (is_ascii(piece)) {
      read_piece(piece);
    } else {
      normalize(piece, normal);
      read_piece(normal);
    }
  }
}

void Analyzer::Impl::read_piece(std::string_view text) {
  parts.clear();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t next = at;
    switch (next_class(text, next)) {
      case CharClass::kBreak:
      case CharClass::kMark:
        at = next;
        break;
      case CharClass::kDictionary:
        end_word(text);
        take_dictionary_run(text, at);
        break;
      default:
        take_run(text, at);
    }
  }
  end_word(text);
}

// Adds a run's parts to those of the word before it, where they hang together.
void Analyzer::Impl::take_run(std::string_view text, std::size_t& at) {
  Joint joint = Joint::kNone;
  if (!parts.empty() && parts.size() < kWordPartsMax) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const std::string_view before = parts.back().text;
    joint = joint_of(between(before, text.substr(at)), is_digit(before.back()), is_digit(text[at]));
  }
  if (joint == Joint::kNone) end_word(text);
  split_run(text, at, joint, parts);
}

void Analyzer::Impl::end_word(std::string_view text) {
  if (parts.empty()) return;
  const WordPart& last = parts.back();
  if (parts.size() == 1) {
    if (!is_clitic(text, last)) add_part(last);
  } else {
    for (const WordPart& part : parts) add_part(part);
    add_wholes();
  }
  const auto end = static_cast<std::size_t>(last.text.data() - text.data()) + last.text.size();
  const std::string_view mark = mark_of_name(text.substr(end));
  if (!mark.empty() && last.kind == PartKind::kLetters) {
    fold(last.text);
    folded += mark;
    add(folded);
  }
  parts.clear();
}

void Analyzer::Impl::add_part(const WordPart& part) {
  fold(part.text);
  if (part.kind == PartKind::kLetters) {
    add_letters(folded);
  } else {
    add(folded);
  }
}

// From tight joints to loose ones, all that hangs together: of "a-b.c/d" these are a-b, a-b.c and
// the whole. Each has two or more of the ones before in it, so they are fewer than the parts.
void Analyzer::Impl::add_wholes() {
  for (const Joint joint : {Joint::kSeam, Joint::kHyphen, Joint::kPoint, Joint::kPath}) {
    for (std::size_t from = 0; from < parts.size();) {
      std::size_t to = from + 1;
      bool is_new = false;
      for (; to < parts.size() && parts[to].joint <= joint; ++to) {
        is_new = is_new || parts[to].joint == joint;
      }
      if (is_new) add_whole({parts.data() + from, to - from});
      from = to;
    }
  }
}

// Hyphens and seams are not written, so that "E-1042" and "E1042", "e-mail" and "email" meet, nor
// the points of initials; other marks are. What is letters alone then is a word like others.
void Analyzer::Impl::add_whole(std::span<const WordPart> group) {
  const bool initials = are_initials(group);
  bool marks = false;
  joined.clear();
  for (std::size_t i = 0; i < group.size() && joined.size() < kTermBytesMax; ++i) {
    if (i > 0 && group[i].joint >= Joint::kPoint && !initials) {
      joined += between(group[i - 1].text, group[i].text);
      marks = true;
    }
    fold(group[i].text);
    joined += folded;
  }
  if (marks && all(group, PartKind::kDigits)) unify_number(joined);
  if (!marks && all(group, PartKind::kLetters)) {
    add_letters(joined);
  } else {
    add(joined);
  }
}

// A word, and the pairs of neighbours in one of Hangul: particles are written with what they
// follow. A text has accented words also as those write them who leave accents out.
void Analyzer::Impl::add_letters(std::string_view word) {
  if (word.size() > kTermBytesMax) {
    add(word);
    return;
  }
  add(stemmers.stem(word));
  if (is_ascii(word)) return;
  if (is_hangul(word)) {
    add_pairs(word);
  } else if (side == Side::kText && without_accents(word, plain)) {
    const std::string_view other = stemmers.stem(plain);
    if (other != terms->back()) add(other);
  }
}

// All neighbours in a word of three or more.
void Analyzer::Impl::add_pairs(std::string_view word) {
  std::size_t first = 0;
  std::size_t second = 0;
  next_code_point(word, second);
  for (std::size_t end = second; end < word.size(); first = std::exchange(second, end)) {
    next_code_point(word, end);
    if (first == 0 && end == word.size()) return;  // two only
    add(word.substr(first, end - first));
  }
}

// The dictionary's words. In Chinese characters and Katakana also the pairs inside of long words,
// and of characters that it does not know as words: compounds, names, and what it divides otherwise
// elsewhere are found by them.
void Analyzer::Impl::take_dictionary_run(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  for (std::size_t next = at; next < text.size() && next - begin < kDictionaryBytesMax; at = next) {
    const CharClass kind = next_class(text, next);
    if (kind != CharClass::kDictionary && kind != CharClass::kMark) break;
  }
  dictionary.begin(text.substr(begin, at - begin));
  std::string_view single;  // the word before, where it is one character
  for (auto word = dictionary.next(); !word.empty(); word = dictionary.next()) {
    add(word);
    std::size_t end = 0;
    if (!is_compounding(next_code_point(word, end))) {
      single = {};
    } else if (end < word.size()) {
      single = {};
      add_pairs(word);
    } else {
      if (!single.empty()) add({single.data(), single.size() + word.size()});
      single = word;
    }
  }
}

Analyzer::Analyzer() : impl_{std::make_unique<Impl>()} {}
Analyzer::~Analyzer() = default;

void Analyzer::analyze(std::string_view utf8, std::string_view language,
                       std::vector<std::string>& terms) {
  impl_->read(utf8, language, Impl::Side::kText, terms);
}

// A question's words give one term each, whatever the language.
std::vector<QueryWord> Analyzer::query_words(std::string_view utf8,
                                             std::span<const std::string> languages) {
  std::vector<std::string> terms;
  impl_->read(utf8, "", Impl::Side::kQuestion, terms);
  [[maybe_unused]] const std::size_t all = terms.size();
  std::vector<QueryWord> words;
  std::vector<std::size_t> places;  // in `words`, of each of the question
  std::unordered_map<std::string, std::size_t> known;
  for (std::string& term : terms) {
    if (words.size() == kQueryWordsMax && !known.contains(term)) break;
    const auto [found, is_new] = known.emplace(term, words.size());
    if (is_new) words.push_back({std::move(term), {}});
    places.push_back(found->second);
  }
  for (const std::string& language : languages) {
    terms.clear();
    impl_->read(utf8, language, Impl::Side::kQuestion, terms);
    assert(terms.size() == all);
    for (std::size_t i = 0; i < std::min(places.size(), terms.size()); ++i) {
      words[places[i]].terms.push_back(std::move(terms[i]));
    }
  }
  std::unordered_set<std::string> seen;
  std::vector<QueryWord> kept;
  for (QueryWord& word : words) {
    std::erase_if(word.terms, [&](const std::string& term) { return !seen.insert(term).second; });
    if (!word.terms.empty()) kept.push_back(std::move(word));
  }
  return kept;
}

}  // namespace millrace
