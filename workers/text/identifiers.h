#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What belongs together between two spaces: the parts of "HTTPServer", "E-1042", "10.0.0.1",
// "a@b.example".
namespace millrace {

// What a code point is to a word. Dictionary: of a script without spaces, where ICU's dictionaries
// find the words (Chinese, Japanese, Thai, Lao, Khmer, Burmese).
enum class CharClass : std::uint8_t {
  kBreak,
  kMark,
  kLower,
  kUpper,
  kCaseless,
  kDigit,
  kDictionary
};

// The class of the code point at `at`, which moves past it; bytes that are no UTF-8 break.
CharClass next_class(std::string_view utf8, std::size_t& at);

// How a part hangs on the one before it, from tight to loose.
enum class Joint : std::uint8_t {
  kNone,    // not at all: another word
  kSeam,    // nothing between them: fooBar, HTTPServer, v2
  kHyphen,  // foo_bar, E-1042
  kPoint,   // 10.0.0.1, example.com, 3,14
  kPath     // a@b, std::vector, x/y
};

enum class PartKind : std::uint8_t { kLetters, kDigits, kMixed };

struct WordPart {
  std::string_view text;
  Joint joint = Joint::kNone;  // to the part before
  PartKind kind = PartKind::kLetters;
};

// A run of letters, digits and their marks has at most so many parts; one that has more is noise (a
// hash, Base64) and stays whole.
inline constexpr std::size_t kRunPartsMax = 8;
// A word that has so many parts ends: the next run begins another.
inline constexpr std::size_t kWordPartsMax = 24;

// Appends the parts of the run that begins at `at`, which moves past it; the first one has `joint`.
void split_run(std::string_view utf8, std::size_t& at, Joint joint, std::vector<WordPart>& parts);

// The joint that the characters between two runs make.
Joint joint_of(std::string_view between, bool digit_before, bool digit_after);

// The marks right after a word that are part of its name: C++, C#. Else empty.
std::string_view mark_of_name(std::string_view after);

// Brings the ways to write a number together: "1.000,50" and "1,000.50" are "1000.50", "1,000" is
// "1000", "3,14" is "3.14". What has other points and commas ("10.0.0.1") stays as it is.
void unify_number(std::string& number);

}  // namespace millrace
