#include "workers/text/letters.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <new>
#include <stdexcept>

#include "workers/text/utf8.h"

namespace millrace {
namespace {

// More marks on one letter are dropped, as UAX #15 allows (stream-safe text): ICU sorts them in
// quadratic time.
constexpr int kMarksMax = 30;

using Instance = const icu::Normalizer2* (*)(UErrorCode&);

const icu::Normalizer2& normalizer(Instance instance) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* found = instance(code);
  if (U_FAILURE(code) || found == nullptr) {
    throw std::runtime_error(std::string{"ICU's normalization data are missing: "} +
                             u_errorName(code));
  }
  return *found;
}

const icu::Normalizer2& nfkc() {
  static const icu::Normalizer2& instance = normalizer(&icu::Normalizer2::getNFKCInstance);
  return instance;
}

const icu::Normalizer2& nfd() {
  static const icu::Normalizer2& instance = normalizer(&icu::Normalizer2::getNFDInstance);
  return instance;
}

UScriptCode script_of(char32_t point) {
  UErrorCode code = U_ZERO_ERROR;
  return uscript_getScript(static_cast<UChar32>(point), &code);
}

icu::StringPiece piece(std::string_view text) {
  return {text.data(), static_cast<std::int32_t>(text.size())};
}

constexpr char32_t kUnseen = 0;

// What a code point is read as.
char32_t cleaned(char32_t point) {
  switch (point) {
    case 0x2019:
      return '\'';
    case 0x2010:
    case 0x2011:
      return '-';
    case 0x219:  // Romanian s and t with a comma, which its stemmer knows with a cedilla only
      return 0x15F;
    case 0x21B:
      return 0x163;
    case 0x200B:  // zero width space: Thai and Khmer texts put it between words
    case kInvalidCodePoint:
      return ' ';
    default:
      break;
  }
  const auto c = static_cast<UChar32>(point);
  if (u_charType(c) == U_DECIMAL_DIGIT_NUMBER) {
    return static_cast<char32_t>('0' + u_charDigitValue(c));
  }
  return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ? kUnseen : point;
}

void clean(std::string_view bytes, std::string& out) {
  out.clear();
  int marks = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const char32_t point = next_code_point(bytes, at);
    if (point < 0x80) {
      out.push_back(static_cast<char>(point));
      marks = 0;
      continue;
    }
    const char32_t read_as = cleaned(point);
    if (read_as == kUnseen) continue;
    marks = nfkc().hasBoundaryBefore(static_cast<UChar32>(read_as)) ? 0 : marks + 1;
    if (marks <= kMarksMax) append_utf8(out, read_as);
  }
}

// The letter below its accents; 0 where it has none, or is neither Latin nor Greek: elsewhere marks
// make another letter (й is not и).
char32_t base_letter(char32_t point) {
  switch (point) {  // Unicode takes these strokes for part of the letter, people do not type them
    case 0x111:
      return 'd';
    case 0x131:
      return 'i';
    case 0x142:
      return 'l';
    case 0xF8:
      return 'o';
    default:
      break;
  }
  const UScriptCode script = script_of(point);
  if (script != USCRIPT_LATIN && script != USCRIPT_GREEK) return 0;
  icu::UnicodeString parts;
  if (!nfd().getDecomposition(static_cast<UChar32>(point), parts)) return 0;
  return static_cast<char32_t>(parts.char32At(0));
}

}  // namespace

bool is_ascii(std::string_view text) {
  unsigned bits = 0;
  for (const char byte : text) bits |= static_cast<unsigned char>(byte);
  return bits < 0x80;
}

void normalize(std::string_view bytes, std::string& out) {
  std::string valid;
  clean(bytes, valid);
  UErrorCode code = U_ZERO_ERROR;
  if (nfkc().isNormalizedUTF8(piece(valid), code) && U_SUCCESS(code)) {
    out = std::move(valid);
    return;
  }
  code = U_ZERO_ERROR;
  out.clear();
  icu::StringByteSink<std::string> sink{&out};
  nfkc().normalizeUTF8(0, piece(valid), sink, nullptr, code);
  if (U_FAILURE(code)) throw std::bad_alloc{};
}

void fold_case(std::string_view word, bool turkish, std::string& out) {
  out.clear();
  if (is_ascii(word) && !turkish) {
    for (const char byte : word) {
      out.push_back(byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte);
    }
    return;
  }
  UErrorCode code = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink{&out};
  icu::CaseMap::utf8Fold(turkish ? U_FOLD_CASE_EXCLUDE_SPECIAL_I : U_FOLD_CASE_DEFAULT, piece(word),
                         sink, nullptr, code);
  if (U_FAILURE(code)) throw std::bad_alloc{};
}

bool without_accents(std::string_view word, std::string& out) {
  out.clear();
  bool changed = false;
  char32_t before = 0;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t from = at;
    const char32_t point = next_code_point(word, at);
    // Marks that do not compose, as in what "İ" folds to.
    if (point >= 0x300 && point <= 0x36F && before < 0x80) {
      changed = true;
      continue;
    }
    before = point < 0x80 ? point : base_letter(point);
    if (point < 0x80 || before == 0) {
      before = point;
      out.append(word.substr(from, at - from));
    } else {
      append_utf8(out, before);
      changed = true;
    }
  }
  return changed;
}

bool is_compounding(char32_t point) {
  const UScriptCode script = script_of(point);
  return script == USCRIPT_HAN || script == USCRIPT_KATAKANA;
}

bool is_hangul_syllable(char32_t point) { return point >= 0xAC00 && point <= 0xD7A3; }

}  // namespace millrace
