#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workers/text/unicode.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> sentence_texts(std::string_view text) {
  std::vector<std::string> out;
  for (const TextRange& range : sentences(text)) {
    out.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return out;
}

TEST(Sentences, end_at_full_stops_and_line_ends) {
  EXPECT_THAT(sentence_texts("One. Two? Three!\nFour is 3.14 long"),
              ElementsAre("One. ", "Two? ", "Three!\n", "Four is 3.14 long"));
}

TEST(Sentences, know_other_scripts) {
  EXPECT_THAT(sentence_texts("これは本です。それはペンです。"),
              ElementsAre("これは本です。", "それはペンです。"));
}

TEST(Sentences, cover_the_text_without_gaps) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "Sätze 😀 hier. \u2028und\tdort… ! \xCC\x81 ";
  std::size_t end = 0;
  for (const TextRange& range : sentences(text)) {
    EXPECT_EQ(range.begin, end);
    EXPECT_LT(range.begin, range.end);
    end = range.end;
  }
  EXPECT_EQ(end, text.size());
}

TEST(Sentences, keep_a_reference_mark_with_what_it_follows) {
  EXPECT_THAT(sentence_texts("Like the goose.[5] All others.[6][7] End.["),
              ElementsAre("Like the goose.[5] ", "All others.[6][7] ", "End.["));
}

TEST(Sentences, of_nothing_are_none) { EXPECT_THAT(sentences(""), IsEmpty()); }

TEST(Words, are_lower_case_without_punctuation) {
  EXPECT_THAT(words("Hello, WORLD! It's 3.5% of É-mail ___ -- (_x)"),
              ElementsAre("hello", "world", "it's", "3.5", "of", "é", "mail", "_x"));
}

TEST(Words, of_scripts_without_spaces_are_found_by_dictionary) {
  EXPECT_THAT(words("世界地図"), ElementsAre("世界", "地図"));
}

TEST(Words, lower_case_what_changes_length) {
  EXPECT_THAT(words("İSTANBUL ΣΟΦΟΣ"), ElementsAre("i̇stanbul", "σοφος"));
}

TEST(Words, survive_invalid_utf8) { EXPECT_THAT(words("a \xFF\xC3 b"), ElementsAre("a", "b")); }

}  // namespace
}  // namespace millrace
