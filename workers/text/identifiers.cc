#include "workers/text/identifiers.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <span>

#include "workers/text/utf8.h"

namespace millrace {
namespace {

constexpr std::array<CharClass, 128> kAsciiClasses = [] {
  std::array<CharClass, 128> classes{};
  for (std::size_t c = 'a'; c <= 'z'; ++c) classes[c] = CharClass::kLower;
  for (std::size_t c = 'A'; c <= 'Z'; ++c) classes[c] = CharClass::kUpper;
  for (std::size_t c = '0'; c <= '9'; ++c) classes[c] = CharClass::kDigit;
  return classes;
}();

bool is_dictionary_letter(UChar32 point) {
  if (u_getIntPropertyValue(point, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT) return true;
  UErrorCode code = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(point, &code);
  // The sound mark that lengthens vowels belongs to no script.
  constexpr UChar32 kProlonged = 0x30FC;
  return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA ||
         point == kProlonged;
}

CharClass class_of(UChar32 point) {
  switch (u_charType(point)) {
    case U_LOWERCASE_LETTER:
      return CharClass::kLower;
    case U_UPPERCASE_LETTER:
    case U_TITLECASE_LETTER:
      return CharClass::kUpper;
    case U_OTHER_LETTER:
    case U_MODIFIER_LETTER:
    case U_LETTER_NUMBER:
      return is_dictionary_letter(point) ? CharClass::kDictionary : CharClass::kCaseless;
    case U_DECIMAL_DIGIT_NUMBER:
    case U_OTHER_NUMBER:
      return CharClass::kDigit;
    case U_NON_SPACING_MARK:
    case U_ENCLOSING_MARK:
    case U_COMBINING_SPACING_MARK:
      return CharClass::kMark;
    default:
      return CharClass::kBreak;
  }
}

bool only(std::string_view text, std::string_view of) {
  return text.find_first_not_of(of) == std::string_view::npos;
}

// Longer runs are not looked into.
constexpr std::size_t kSplitBytesMax = 256;

// A code point of a run, marks left out. Not initialised: an array of them is made for each run.
struct Sign {
  CharClass kind;
  std::uint16_t at;  // from the run's beginning
};

bool seam_before(std::span<const Sign> signs, std::size_t i) {
  const auto is = [&](std::size_t at, CharClass kind) {
    return at < signs.size() && signs[at].kind == kind;
  };
  if (is(i - 1, CharClass::kDigit) != is(i, CharClass::kDigit)) return true;
  const bool capital_before = is(i - 1, CharClass::kUpper);
  if (is(i, CharClass::kLower)) {  // "DNAs"
    return i > 1 && capital_before && is(i - 2, CharClass::kUpper) && !is(i + 1, CharClass::kLower);
  }
  if (!is(i, CharClass::kUpper)) return false;
  if (is(i - 1, CharClass::kLower)) return true;
  // "HTTPServer": the last capital begins a part.
  return capital_before && is(i + 1, CharClass::kLower) && is(i + 2, CharClass::kLower);
}

// Digits with this mark between thousands and nowhere else: "1,000,000".
bool is_grouped(std::string_view number, char mark) {
  constexpr std::size_t kGroup = 3;
  const std::size_t first = number.find(mark);
  if (first == 0 || first > kGroup || number[0] == '0') return false;
  for (std::size_t at = first; at < number.size(); at += kGroup + 1) {
    const std::string_view group = number.substr(at + 1, kGroup);
    if (number[at] != mark || group.size() < kGroup) return false;
    if (group.find_first_of(".,") != std::string_view::npos) return false;
  }
  return true;
}

PartKind kind_of(const Sign& first) {
  return first.kind == CharClass::kDigit ? PartKind::kDigits : PartKind::kLetters;
}

bool is_run(CharClass kind) { return kind != CharClass::kBreak && kind != CharClass::kDictionary; }

}  // namespace

CharClass next_class(std::string_view utf8, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(utf8[at]);
  if (byte < kAsciiClasses.size()) {
    ++at;
    return kAsciiClasses[byte];
  }
  const char32_t point = next_code_point(utf8, at);
  return point == kInvalidCodePoint ? CharClass::kBreak : class_of(static_cast<UChar32>(point));
}

void split_run(std::string_view utf8, std::size_t& at, Joint joint, std::vector<WordPart>& parts) {
  std::array<Sign, kSplitBytesMax> signs;
  std::size_t count = 0;
  const std::size_t begin = at;
  for (std::size_t next = at; next < utf8.size(); at = next) {
    const CharClass kind = next_class(utf8, next);
    if (!is_run(kind)) break;
    if (kind == CharClass::kMark || at - begin >= kSplitBytesMax) continue;
    signs[count++] = {kind, static_cast<std::uint16_t>(at - begin)};
  }
  const std::string_view run = utf8.substr(begin, at - begin);
  if (run.size() > kSplitBytesMax || count == 0) {
    parts.push_back({run, joint, PartKind::kMixed});
    return;
  }
  const std::span<const Sign> seen{signs.data(), count};
  const std::size_t parts_before = parts.size();
  parts.push_back({run, joint, kind_of(seen[0])});
  for (std::size_t i = 1; i < count; ++i) {
    if (!seam_before(seen, i)) continue;
    if (parts.size() - parts_before == kRunPartsMax) {
      parts.resize(parts_before);
      parts.push_back({run, joint, PartKind::kMixed});
      return;
    }
    const std::string_view rest = run.substr(seen[i].at);
    parts.back().text.remove_suffix(rest.size());
    parts.push_back({rest, Joint::kSeam, kind_of(seen[i])});
  }
}

Joint joint_of(std::string_view between, bool digit_before, bool digit_after) {
  if (between.empty()) return Joint::kNone;
  if (between == "-" || only(between, "_")) return Joint::kHyphen;
  if (between == ".") return Joint::kPoint;
  if (between == ",") return digit_before && digit_after ? Joint::kPoint : Joint::kNone;
  constexpr std::size_t kPathMarksMax = 3;  // "://"
  return between.size() <= kPathMarksMax && only(between, "/\\:@&=?") ? Joint::kPath : Joint::kNone;
}

std::string_view mark_of_name(std::string_view after) {
  if (after.starts_with("++")) return after.substr(0, 2);
  if (!after.starts_with("#")) return {};
  std::size_t next = 1;
  return after.size() > 1 && is_run(next_class(after, next)) ? std::string_view{}
                                                             : after.substr(0, 1);
}

void unify_number(std::string& number) {
  const std::size_t last = number.find_last_of(".,");
  if (last == std::string::npos) return;
  const char mark = number[last];
  const char other = mark == '.' ? ',' : '.';
  if (is_grouped(number, mark)) {
    std::erase(number, mark);
    return;
  }
  const std::string_view before = std::string_view{number}.substr(0, last);
  const bool plain = before.find_first_of(".,") == std::string_view::npos;
  if (!plain && !is_grouped(before, other)) return;
  number[last] = '.';
  if (!plain)
    number.erase(
        std::remove(number.begin(), number.begin() + static_cast<std::ptrdiff_t>(last), other),
        number.begin() + static_cast<std::ptrdiff_t>(last));
}

}  // namespace millrace
