#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// The words of a text, in lower case and without blanks and punctuation: how answers are compared.
// Where a script writes no blanks between words (Chinese, Japanese, Thai, …) each character is one.
// Bytes that are no UTF-8 stand for no word.
std::vector<std::string> words_of(std::string_view utf8);

// Says something about the matter: has four letters, or a digit, or is of a script without blanks.
// Most of what grammar needs is shorter, in any language; so no list of words is kept.
bool is_content_word(std::string_view word);

// The words with a blank before and after each: " the range of the ferry ".
std::string spaced_words(std::string_view utf8);

// True when `part` occurs in `text` word by word; both as spaced_words() gives them. Nothing is
// never contained.
bool contains_words(std::string_view text, std::string_view part);

}  // namespace millrace
