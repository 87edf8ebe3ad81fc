#include "gateway/cli/eval/words.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kContentLetters = 4;

struct Range {
  char32_t first;
  char32_t last;
};
// Scripts that are written without blanks: each character is a word of its own.
constexpr std::array kUnspaced{
    Range{0x0E00, 0x0EFF},    // Thai, Lao
    Range{0x1000, 0x109F},    // Myanmar
    Range{0x1780, 0x17FF},    // Khmer
    Range{0x3005, 0x3007},    // ideographic iteration, closing and zero
    Range{0x3040, 0x30FF},    // kana
    Range{0x3400, 0x4DBF},    // ideographs
    Range{0x4E00, 0x9FFF},    //
    Range{0xF900, 0xFAFF},    //
    Range{0x20000, 0x3FFFF},  //
};
constexpr Range kAccents{0x0300, 0x036F};  // stand behind their letter

bool within(char32_t point, const Range& range) {
  return point >= range.first && point <= range.last;
}

bool is_unspaced(char32_t point) {
  return std::ranges::any_of(kUnspaced, [&](const Range& range) { return within(point, range); });
}

// What the C library knows of Unicode; ASCII only where it has no such locale.
locale_t unicode() {
  static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

bool is_word_part(char32_t point) {
  if (point < 0x80) {
    return (point >= '0' && point <= '9') || (point >= 'a' && point <= 'z') ||
           (point >= 'A' && point <= 'Z');
  }
  if (unicode() == nullptr) return true;
  return within(point, kAccents) || ::iswalnum_l(static_cast<wint_t>(point), unicode()) != 0;
}

char32_t lower(char32_t point) {
  if (point < 0x80) return point >= 'A' && point <= 'Z' ? point + 32 : point;
  if (unicode() == nullptr) return point;
  return static_cast<char32_t>(::towlower_l(static_cast<wint_t>(point), unicode()));
}

// Of a well-formed sequence of `length` bytes.
char32_t decode(std::string_view text, std::size_t length) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (length == 1) return first;
  char32_t point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return point;
}

void append(std::string& out, char32_t point) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
  };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0U | (point >> 6U));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | (point >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (point >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

std::vector<std::string> words_of(std::string_view utf8) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  while (!utf8.empty()) {
    const std::size_t length = utf8_sequence_length(utf8);
    const char32_t point = length == 0 ? U' ' : decode(utf8, length);
    utf8.remove_prefix(std::max<std::size_t>(length, 1));
    if (!is_word_part(point)) {
      end_word();
      continue;
    }
    const bool alone = is_unspaced(point);
    if (alone) end_word();
    append(word, lower(point));
    if (alone) end_word();
  }
  end_word();
  return words;
}

bool is_content_word(std::string_view word) {
  std::size_t letters = 0;
  while (!word.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_sequence_length(word), 1);
    const char32_t point = decode(word, length);
    if ((point >= '0' && point <= '9') || is_unspaced(point)) return true;
    if (!within(point, kAccents)) ++letters;
    word.remove_prefix(length);
  }
  return letters >= kContentLetters;
}

std::string spaced_words(std::string_view utf8) {
  std::string out;
  for (const std::string& word : words_of(utf8)) out.append(out.empty() ? 1 : 0, ' ') += word + ' ';
  return out;
}

bool contains_words(std::string_view text, std::string_view part) {
  return !part.empty() && text.find(part) != std::string_view::npos;
}

}  // namespace millrace
