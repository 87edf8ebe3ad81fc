#pragma once

#include <string>
#include <string_view>

// The forms of letters that the analyzer asks ICU for.
namespace millrace {

bool is_ascii(std::string_view text);

// Any bytes to valid UTF-8 in NFKC, for word breaking: digits of all scripts as ASCII ones, the
// apostrophes and hyphens of printers as ASCII ones, characters that are not seen left out, bytes
// that are no UTF-8 as spaces. At most 2 GiB.
void normalize(std::string_view bytes, std::string& out);

// Case folded. `turkish`: with and without a dot, i stays two letters.
void fold_case(std::string_view word, bool turkish, std::string& out);

// Latin and Greek letters without their accents; false, and `out` undefined, when the word has
// none.
bool without_accents(std::string_view word, std::string& out);

// Han and Katakana: scripts whose words are made of words.
bool is_compounding(char32_t point);
bool is_hangul_syllable(char32_t point);

}  // namespace millrace
