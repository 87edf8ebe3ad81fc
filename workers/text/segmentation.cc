#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "workers/text/unicode.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

// Rules are parsed once per process; each call clones, which is cheap and makes it thread-safe.
std::unique_ptr<icu::BreakIterator> make_prototype(icu::BreakIterator* (*create)(const icu::Locale&,
                                                                                 UErrorCode&)) {
  UErrorCode code = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> iterator{create(icu::Locale::getRoot(), code)};
  if (U_FAILURE(code) || iterator == nullptr) {
    throw std::runtime_error(std::string{"ICU's break rules are missing: "} + u_errorName(code));
  }
  return iterator;
}

const icu::BreakIterator& sentence_rules() {
  static const auto prototype = make_prototype(&icu::BreakIterator::createSentenceInstance);
  return *prototype;
}

const icu::BreakIterator& word_rules() {
  static const auto prototype = make_prototype(&icu::BreakIterator::createWordInstance);
  return *prototype;
}

// A break iterator over UTF-8, whose offsets are bytes. The text must outlive it.
class Breaks {
 public:
  Breaks(const icu::BreakIterator& rules, std::string_view utf8) : iterator_{rules.clone()} {
    UErrorCode code = U_ZERO_ERROR;
    text_ = utext_openUTF8(nullptr, utf8.data(), static_cast<std::int64_t>(utf8.size()), &code);
    if (iterator_ != nullptr) iterator_->setText(text_, code);
    if (U_FAILURE(code) || iterator_ == nullptr) throw std::bad_alloc{};
    iterator_->first();
  }
  ~Breaks() {
    iterator_.reset();
    utext_close(text_);
  }
  Breaks(const Breaks&) = delete;
  Breaks& operator=(const Breaks&) = delete;

  // The next boundary, or -1.
  std::int32_t next() { return iterator_->next(); }
  // True when what lies before the boundary is a word: a number, letters, kana or ideographs.
  bool after_word() const { return iterator_->getRuleStatus() >= UBRK_WORD_NONE_LIMIT; }

 private:
  std::unique_ptr<icu::BreakIterator> iterator_;
  UText* text_ = nullptr;
};

// ICU's break iterators count in 32 bits; longer texts are taken in pieces cut at code points.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 30U;

std::size_t piece_bytes(std::string_view rest) {
  if (rest.size() <= kPieceBytesMax) return rest.size();
  std::size_t bytes = kPieceBytesMax;
  while (bytes > 1 && !starts_code_point(rest[bytes])) --bytes;
  return bytes;
}

// ICU calls a run of underscores a word too.
bool has_letter_or_digit(std::string_view word) {
  for (std::size_t at = 0; at < word.size();) {
    if (u_isalnum(static_cast<UChar32>(next_code_point(word, at)))) return true;
  }
  return false;
}

std::string lower(std::string_view word) {
  std::string out;
  bool ascii = true;
  for (const char byte : word) ascii = ascii && static_cast<signed char>(byte) >= 0;
  if (ascii) {
    for (const char byte : word) {
      out.push_back(byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte);
    }
    return out;
  }
  UErrorCode code = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink{&out};
  icu::CaseMap::utf8ToLower("", 0, {word.data(), static_cast<std::int32_t>(word.size())}, sink,
                            nullptr, code);
  return U_FAILURE(code) ? std::string{word} : out;
}

}  // namespace

namespace {

// ICU ends a sentence after an opening bracket: "as geese.[5][6] All". Such marks belong to what
// they follow: the end of the marks and the white space behind them, or 0 where none stands.
std::size_t end_of_reference_marks(std::string_view text, std::size_t after_bracket) {
  std::size_t end = 0;
  for (;;) {
    const std::size_t at = text.find_first_not_of("0123456789, ", after_bracket);
    if (at == after_bracket || at == std::string_view::npos || text[at] != ']') break;
    end = at + 1;
    if (end == text.size() || text[end] != '[') break;
    after_bracket = end + 1;
  }
  return end == 0 ? 0 : std::min(text.size(), text.find_first_not_of(" \n", end));
}

}  // namespace

std::vector<TextRange> sentences(std::string_view utf8) {
  std::vector<TextRange> out;
  for (std::size_t from = 0; from < utf8.size();) {
    const std::string_view piece = utf8.substr(from, piece_bytes(utf8.substr(from)));
    Breaks breaks{sentence_rules(), piece};
    std::size_t begin = 0;
    for (std::int32_t at = breaks.next(); at >= 0; at = breaks.next()) {
      auto end = static_cast<std::size_t>(at);
      if (piece[end - 1] == '[') end = end_of_reference_marks(piece, end);
      if (end <= begin) continue;  // no end here, or behind one that was moved
      out.push_back({from + begin, from + end});
      begin = end;
    }
    if (begin < piece.size()) out.push_back({from + begin, from + piece.size()});
    from += piece.size();
  }
  return out;
}

std::vector<std::string> words(std::string_view utf8) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < utf8.size();) {
    const std::string_view piece = utf8.substr(from, piece_bytes(utf8.substr(from)));
    Breaks breaks{word_rules(), piece};
    std::size_t begin = 0;
    for (std::int32_t at = breaks.next(); at >= 0; at = breaks.next()) {
      const auto end = static_cast<std::size_t>(at);
      const std::string_view word = piece.substr(begin, end - begin);
      if (breaks.after_word() && has_letter_or_digit(word)) out.push_back(lower(word));
      begin = end;
    }
    from += piece.size();
  }
  return out;
}

}  // namespace millrace
