#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/json.h"
#include "tests/unit/answerer/answerer_fixture.h"
#include "workers/answerer/cited_text.h"
#include "workers/answerer/evidence.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The document's text from `passage.start` on is the passage's text: what a citation names in the
// document must be what it quotes.
void expect_exact(const Citation& citation, const Passage& from) {
  const CodePointIndex index{from.text};
  ASSERT_LE(from.start, citation.start);
  ASSERT_LT(citation.start, citation.end);
  ASSERT_LE(citation.end - from.start, index.size());
  EXPECT_EQ(index.slice(citation.start - from.start, citation.end - from.start), citation.quote);
}

std::vector<std::string> sentence_texts(std::string_view text) {
  std::vector<std::string> out;
  for (const PassageSentence& sentence : sentences_of(text)) {
    out.emplace_back(text.substr(sentence.begin, sentence.end - sentence.begin));
  }
  return out;
}

TEST(Evidence, splits_sentences_without_white_space_around_them) {
  EXPECT_THAT(sentence_texts("  One is here.  Two is\nthere. \n\nThree!  "),
              ElementsAre("One is here.", "Two is\nthere.", "Three!"));
}

TEST(Evidence, keeps_rows_and_headings_apart) {
  EXPECT_THAT(sentence_texts("Prices\nApple 3\nPear 4"),
              ElementsAre("Prices", "Apple 3", "Pear 4"));
}

TEST(Evidence, cuts_an_endless_sentence_at_a_word) {
  std::string text;
  while (text.size() < 3 * kSentenceBytesMax) text += "wörter ";
  const auto cut = sentence_texts(text);
  ASSERT_THAT(cut, SizeIs(1));
  EXPECT_LE(cut[0].size(), kSentenceBytesMax);
  EXPECT_TRUE(cut[0].ends_with("wörter"));
}

TEST(Evidence, cuts_text_without_spaces_at_a_code_point) {
  std::string text;
  while (text.size() < 3 * kSentenceBytesMax) text += "水";
  const auto cut = sentence_texts(text);
  ASSERT_FALSE(cut.empty());
  for (const std::string& part : cut) EXPECT_TRUE(json::valid_utf8(part));
}

TEST(Evidence, knows_a_word_in_two_forms) {
  EXPECT_TRUE(same_word("invented", "invent"));
  EXPECT_TRUE(same_word("sacks", "sack"));
  EXPECT_FALSE(same_word("cat", "car"));
  EXPECT_FALSE(same_word("interest", "interview"));
  EXPECT_FALSE(same_word("数学", "数字"));
}

TEST(Citations, quote_exactly_the_span_they_name_in_any_script) {
  const std::vector<std::string> pieces{"Wasser kocht bei 100 °C. ",
                                        "水は100度で沸騰する。",
                                        "Вода кипит. ",
                                        "The 6½ sacks \"counted\". ",
                                        "emoji 👩‍🔬 here! ",
                                        "ไทยไม่มีช่องว่าง ",
                                        "\n\n",
                                        "Row 1\t2\n",
                                        "a\u0301 accent. "};
  std::mt19937 random{7};
  for (int round = 0; round < 200; ++round) {
    Passage from = passage("c", 0.5, "");
    for (int i = 0; i < 8; ++i) from.text += pieces[random() % pieces.size()];
    from.start = static_cast<std::int64_t>(random() % 1000);
    from.end = from.start + code_points(from.text);
    for (const PassageSentence& sentence : sentences_of(from.text)) {
      expect_exact(cite(1, from, sentence), from);
    }
  }
}

class ResolveCitations : public ::testing::Test {
 protected:
  ResolveCitations() {
    passages[0].start = 40;
    passages[1].start = 7;
  }
  std::vector<std::string> quotes(std::string_view text) {
    std::vector<std::string> out;
    for (const Citation& citation : resolve_citations(text, passages).citations) {
      expect_exact(citation, passages[static_cast<std::size_t>(citation.number) - 1]);
      out.push_back(std::to_string(citation.number) + " " + citation.quote);
    }
    return out;
  }
  std::vector<Passage> passages{
      passage("a", 0.8, "Münzen sind rund. Water boils at 100 degrees. Ice is cold."),
      passage("b", 0.6, "Steam rises. Iron melts at 1538 degrees.")};
};

TEST_F(ResolveCitations, finds_the_sentence_that_says_what_is_cited) {
  EXPECT_THAT(quotes("Water boils at 100 degrees [1]. Iron melts at 1538 degrees [2]."),
              ElementsAre("1 Water boils at 100 degrees.", "2 Iron melts at 1538 degrees."));
}

TEST_F(ResolveCitations, takes_a_number_after_the_full_stop_for_the_sentence_before) {
  EXPECT_THAT(quotes("Water boils. [1] Iron melts. [2]"),
              ElementsAre("1 Water boils at 100 degrees.", "2 Iron melts at 1538 degrees."));
}

TEST_F(ResolveCitations, reads_several_numbers_in_one_place) {
  EXPECT_THAT(quotes("Degrees matter [1, 2]."), SizeIs(2));
  EXPECT_THAT(quotes("Degrees matter [1][2]."), SizeIs(2));
}

TEST_F(ResolveCitations, passes_over_numbers_that_no_passage_has) {
  EXPECT_THAT(quotes("Water boils [0] [3] [99999999999999] [x] [1a] [] [1,] [-1] [1"), IsEmpty());
}

TEST_F(ResolveCitations, does_not_list_the_same_span_twice) {
  EXPECT_THAT(quotes("Water boils [1]. It boils, water does [1]."), SizeIs(1));
}

TEST_F(ResolveCitations, is_more_confident_the_more_is_cited) {
  const double whole = confidence_of(
      resolve_citations("Water boils at 100 degrees [1]. Ice is cold [1].", passages));
  const double half =
      confidence_of(resolve_citations("Water boils at 100 degrees [1]. Gold is dear.", passages));
  const double none = confidence_of(resolve_citations("Water boils.", passages));
  EXPECT_GT(whole, 0.9);
  EXPECT_LE(whole, 1.0);
  EXPECT_LT(half, whole);
  EXPECT_EQ(none, 0);
}

TEST_F(ResolveCitations, copes_with_text_that_has_no_words) {
  EXPECT_THAT(quotes(""), IsEmpty());
  EXPECT_THAT(quotes("[1]"), IsEmpty());
  passages[0].text = " \n ";
  EXPECT_THAT(quotes("Words [1]."), IsEmpty());
}

}  // namespace
}  // namespace millrace
