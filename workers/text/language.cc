// clang-format off
#include <cstdio>  // cld2's header needs it and does not say so
#include <cld2/public/compact_lang_det.h>
// clang-format on

#include <array>

#include "workers/text/analyzer.h"
#include "workers/text/identifiers.h"

namespace millrace {
namespace {

// Long texts are judged by pieces from all over them.
constexpr std::size_t kSamplePieces = 4;
constexpr std::size_t kSampleBytesMax = 16384;

// Fewer bytes of letters say nothing.
constexpr int kTooShortBytes = 16;
// From here on the language with the larger part is taken even where cld2 finds too many names in
// between to call it reliable.
constexpr int kLongBytes = 200;
constexpr int kMostPercent = 50;

// Letters, ASCII's punctuation, and spaces for the rest: cld2 demands valid UTF-8 without controls.
void append_clean(std::string_view utf8, std::string& out) {
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t from = at;
    const bool letter = next_class(utf8, at) != CharClass::kBreak;
    const bool punctuation = utf8[from] > ' ' && utf8[from] <= '~';
    if (letter || punctuation) {
      out.append(utf8.substr(from, at - from));
    } else if (!out.ends_with(' ')) {
      out.push_back(' ');
    }
  }
}

std::string sample(std::string_view utf8) {
  std::string out;
  if (utf8.size() <= kSampleBytesMax) {
    append_clean(utf8, out);
    return out;
  }
  for (std::size_t i = 0; i < kSamplePieces; ++i) {
    const std::size_t from = utf8.size() / kSamplePieces * i;
    append_clean(utf8.substr(from, kSampleBytesMax / kSamplePieces), out);
    out.push_back(' ');
  }
  return out;
}

}  // namespace

std::string detect_language(std::string_view utf8) {
  const std::string clean = sample(utf8);
  std::array<CLD2::Language, 3> languages{};
  std::array<int, 3> percents{};
  std::array<double, 3> scores{};
  int bytes = 0;
  int valid_bytes = 0;
  bool reliable = false;
  CLD2::ExtDetectLanguageSummaryCheckUTF8(clean.data(), static_cast<int>(clean.size()), true,
                                          nullptr, 0, languages.data(), percents.data(),
                                          scores.data(), nullptr, &bytes, &reliable, &valid_bytes);
  const bool sure = reliable ? bytes >= kTooShortBytes : bytes >= kLongBytes;
  if (!sure || percents[0] < kMostPercent || languages[0] == CLD2::UNKNOWN_LANGUAGE) return {};
  const std::string_view name = CLD2::LanguageCode(languages[0]);
  const std::string_view code = name.substr(0, name.find('-'));  // "zh-Hant"
  if (code == "iw") return "he";
  if (code.size() != 2 || code == "xx") return {};
  return std::string{code};
}

}  // namespace millrace
