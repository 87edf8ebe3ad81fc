#include "workers/text/analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include "tests/support/sanitized.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Terms = std::vector<std::string>;

Terms terms(std::string_view text, std::string_view language = "") {
  Analyzer analyzer;
  Terms out;
  analyzer.analyze(text, language, out);
  return out;
}

std::vector<Terms> groups(std::string_view question, const Terms& languages) {
  std::vector<Terms> groups;
  for (QueryWord& word : Analyzer{}.query_words(question, languages)) {
    groups.push_back(std::move(word.terms));
  }
  return groups;
}

Terms words(std::string_view question, const Terms& languages) {
  Terms words;
  for (QueryWord& word : Analyzer{}.query_words(question, languages)) {
    words.push_back(std::move(word.word));
  }
  return words;
}

// How many words of the question the text has.
int matches(std::string_view question, std::string_view text, const std::string& language) {
  const Terms of_text = terms(text, language);
  int found = 0;
  for (const Terms& group : groups(question, {language})) {
    found += std::find_first_of(of_text.begin(), of_text.end(), group.begin(), group.end()) !=
             of_text.end();
  }
  return found;
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (next_code_point(text, at) == kInvalidCodePoint) return false;
  }
  return true;
}

TEST(Analyzer, stems_and_folds_the_words_of_a_language) {
  EXPECT_THAT(terms("Running RUNS, the ﬁles!", "en"), ElementsAre("run", "run", "the", "file"));
  EXPECT_THAT(terms("Straßen ΣΟΦΟΣ"), ElementsAre("strassen", "σοφοσ"));
}

TEST(Analyzer, keeps_stop_words) {
  EXPECT_THAT(terms("to be or not to be", "en"), ElementsAre("to", "be", "or", "not", "to", "be"));
}

TEST(Analyzer, does_not_stem_where_the_language_has_no_stemmer) {
  for (const char* language : {"", "zh", "xx", "english", "../en", "EN"}) {
    EXPECT_THAT(terms("Running", language), ElementsAre("running")) << language;
  }
}

TEST(Analyzer, does_not_mix_the_stems_of_two_languages) {
  Analyzer analyzer;
  Terms out;
  for (const char* language : {"en", "es", "", "en"}) analyzer.analyze("houses", language, out);
  EXPECT_THAT(out, ElementsAre("hous", "hous", "houses", "hous"));
  out.clear();
  for (const char* language : {"en", "es", "en"}) analyzer.analyze("amazing", language, out);
  EXPECT_THAT(out, ElementsAre("amaz", "amazing", "amaz"));
}

TEST(Analyzer, tells_the_turkish_letters_i_apart) {
  EXPECT_THAT(terms("IRAK İZMİR", "tr"), ElementsAre("ırak", "irak", "izmir"));
  EXPECT_EQ(matches("irak", "IRAK", "tr"), 1);
}

TEST(Analyzer, finds_the_words_of_scripts_without_spaces) {
  EXPECT_THAT(terms("世界地图", "zh"), ElementsAre("世界", "地图"));
  EXPECT_THAT(terms("東京タワーに行きました", "ja"), Contains("行き"));
  EXPECT_THAT(terms("ฉันรักแมว", "th"), ElementsAre("ฉัน", "รัก", "แมว"));
  EXPECT_GE(matches("黑豹队的防守丢了多少分？", "黑豹队的防守只丢了 308分，排名第六", "zh"), 6);
}

TEST(Analyzer, finds_parts_of_long_words_and_unknown_names_in_pairs) {
  EXPECT_THAT(terms("共和国", "zh"), ElementsAre("共和国", "共和", "和国"));
  EXPECT_GE(matches("タワー", "東京タワー", "ja"), 2);
  EXPECT_THAT(terms("豹队", "zh"), ElementsAre("豹", "队", "豹队"));
  EXPECT_THAT(terms("豹，队", "zh"), ElementsAre("豹", "队"));
}

TEST(Analyzer, finds_a_korean_word_with_and_without_its_particle) {
  EXPECT_THAT(terms("서울에서", "ko"), ElementsAre("서울에서", "서울", "울에", "에서"));
  EXPECT_THAT(terms("서울", "ko"), ElementsAre("서울"));
}

TEST(Analyzer, finds_accented_words_for_a_question_without_accents) {
  EXPECT_EQ(matches("informacion sobre el corazon", "información sobre el corazón", "es"), 4);
  EXPECT_EQ(matches("hue", "huế", "vi"), 1);
  EXPECT_EQ(matches("lodz", "Łódź", ""), 1);
  EXPECT_THAT(terms("côté", "fr"), ElementsAre("côt", "cot"));
}

TEST(Analyzer, asks_for_the_accents_that_a_question_has) {
  EXPECT_THAT(groups("má", {"vi"}), ElementsAre(ElementsAre("má")));
  EXPECT_EQ(matches("má", "ma", "vi"), 0);
}

TEST(Analyzer, keeps_marks_that_make_another_letter) {
  EXPECT_THAT(terms("май हिन्दी"), ElementsAre("май", "हिन्दी"));
}

TEST(Analyzer, reads_through_characters_that_are_not_seen) {
  EXPECT_THAT(terms("co\u00ADoperate\u200Bnow \uFEFFx"), ElementsAre("cooperate", "now", "x"));
  EXPECT_THAT(terms("１２ ٣٤ Ｅ－１"), ElementsAre("12", "34", "e", "1", "e1"));
}

TEST(Analyzer, leaves_out_letters_that_an_apostrophe_cuts_off) {
  EXPECT_THAT(terms("l’eau it's O'Brien don't 'x' 1'000", "en"),
              ElementsAre("eau", "it", "brien", "don", "x", "1", "000"));
}

struct Identifier {
  const char* text;
  Terms terms;
};

TEST(Analyzer, has_identifiers_whole_and_in_part) {
  const std::array<Identifier, 17> samples = {{
      {"E-1042", {"e", "1042", "e1042"}},
      {"E1042", {"e", "1042", "e1042"}},
      {"v2.3.1", {"v", "2", "3", "1", "v2", "v2.3.1"}},
      {"foo_bar", {"foo", "bar", "foobar"}},
      {"fooBar", {"foo", "bar", "foobar"}},
      {"FOO_BAR", {"foo", "bar", "foobar"}},
      {"HTTPServer", {"http", "server", "httpserver"}},
      {"DNAs", {"dna", "s", "dnas"}},
      {"10.0.0.1", {"10", "0", "0", "1", "10.0.0.1"}},
      {"C++", {"c", "c++"}},
      {"C++20", {"c", "c++", "20"}},
      {"C#", {"c", "c#"}},
      {"a#b", {"a", "b"}},
      {"a@b.example", {"a", "b", "example", "b.example", "a@b.example"}},
      {"U.S.A.", {"u", "s", "a", "usa"}},
      {"std::vector", {"std", "vector", "std::vector"}},
      {"https://x.org/my-a/bc.h",
       {"https", "x", "org", "my", "a", "bc", "h", "mya", "x.org", "bc.h",
        "https://x.org/mya/bc.h"}},
  }};
  for (const Identifier& sample : samples) {
    EXPECT_EQ(terms(sample.text), sample.terms) << sample.text;
  }
}

TEST(Analyzer, brings_the_ways_to_write_a_number_together) {
  const std::array<std::pair<const char*, const char*>, 9> samples = {{
      {"3,14", "3.14"},
      {"3.14", "3.14"},
      {"1.000,50", "1000.50"},
      {"1,000.50", "1000.50"},
      {"1,000", "1000"},
      {"1.000.000", "1000000"},
      {"0.500", "0.500"},
      {"1,00.5", "1,00.5"},
      {"1.2.3", "1.2.3"},
  }};
  for (const auto& [text, whole] : samples) EXPECT_EQ(terms(text).back(), whole) << text;
}

TEST(Analyzer, finds_an_identifier_by_a_part_and_better_by_the_whole) {
  for (const char* part : {"1042", "e", "E"}) EXPECT_EQ(matches(part, "E-1042", "en"), 1) << part;
  for (const char* whole : {"E-1042", "e1042", "E_1042"}) {
    EXPECT_EQ(matches(whole, "E-1042", "en"), 3) << whole;
    EXPECT_EQ(matches(whole, "E and 1042", "en"), 2) << whole;
  }
  EXPECT_EQ(matches("low frequency", "low-frequencies", "en"), 2);
  EXPECT_EQ(matches("email", "e-mails", "en"), 1);
}

TEST(Analyzer, does_not_join_over_spaces_dashes_and_ends_of_sentences) {
  EXPECT_THAT(terms("a--b a, b a... b a,b 1990–2000"),
              ElementsAre("a", "b", "a", "b", "a", "b", "a", "b", "1990", "2000"));
}

TEST(Analyzer, does_not_take_a_hash_apart) {
  EXPECT_THAT(terms("9f86d081884c7d659a2feaa0c55ad015"), SizeIs(1));
  EXPECT_THAT(terms(repeated("aB", 200)), SizeIs(1));
}

TEST(Analyzer, cuts_a_long_term_between_code_points) {
  EXPECT_THAT(terms("x" + repeated("é", 100)),
              ElementsAre("x" + repeated("é", 31), "x" + repeated("e", 31)));
}

TEST(Analyzer, bounds_the_terms_of_a_text_without_spaces) {
  for (const char* piece :
       {"a", "a1", "a.", "aB", "a-b.c/d@", "é", "漢", "ไ", "한", "\xF0\x9F", "_"}) {
    const std::string text =
        repeated(piece, 1'000'000 / kSanitizerShare / std::string_view{piece}.size());
    const Terms found = terms(text, "en");
    EXPECT_LE(found.size(), text.size()) << piece;
    for (const std::string& term : found) ASSERT_LE(term.size(), kTermBytesMax) << piece;
  }
}

TEST(Analyzer, survives_a_flood_of_marks_that_would_have_to_be_sorted) {
  EXPECT_THAT(terms("a" + repeated("\u0315\u0316", 200'000) + " b"), Contains("b"));
  EXPECT_THAT(terms("カ" + repeated("\uFF9E\u0315", 200'000) + " b"), Contains("b"));
}

TEST(Analyzer, reads_a_text_of_many_pieces_without_cutting_words) {
  constexpr std::size_t kWords = 300'000 / kSanitizerShare;
  const Terms found = terms(repeated("millrace größe ", kWords));
  EXPECT_THAT(found, SizeIs(3 * kWords));  // größe is grosse without its accents
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()),
            (std::set<std::string>{"millrace", "grösse", "grosse"}));
}

TEST(Analyzer, ends_a_word_at_bytes_that_are_no_utf8) {
  EXPECT_THAT(terms("a\xFFz \xC3 caf\xC3\xA9\xED\xA0\x80q", "en"),
              ElementsAre("a", "z", "café", "cafe", "q"));
}

TEST(QueryWords, have_the_terms_of_all_languages_each_once) {
  EXPECT_THAT(groups("amazing houses amazing", {"en", "es", "", "en"}),
              ElementsAre(ElementsAre("amaz", "amazing"), ElementsAre("hous", "houses")));
  EXPECT_THAT(groups("hous houses", {"en", ""}),
              ElementsAre(ElementsAre("hous"), ElementsAre("houses")));
}

TEST(QueryWords, of_nothing_are_none) {
  EXPECT_THAT(groups("?! …", {"en"}), IsEmpty());
  EXPECT_THAT(groups("word", {}), IsEmpty());
}

TEST(QueryWords, are_named_the_same_whatever_the_languages) {
  const char* const question = "The Running HOUSES, naïve Straßen E-1042 서울에서 世界";
  const Terms names = {"the",   "running",  "houses", "naïve", "strassen", "e",   "1042",
                       "e1042", "서울에서", "서울",   "울에",  "에서",     "世界"};
  for (const Terms& languages :
       {Terms{""}, Terms{"en"}, Terms{"de", "tr"}, Terms{"zh", "en", ""}}) {
    EXPECT_EQ(words(question, languages), names);
  }
  EXPECT_EQ(groups(question, {"en"})[1], Terms{"run"});
}

TEST(QueryWords, whose_terms_are_all_in_earlier_words_are_left_out) {
  EXPECT_EQ(words("houses house", {"en"}), Terms{"houses"});
  EXPECT_EQ(words("houses house", {"en", ""}), (Terms{"houses", "house"}));
  EXPECT_THAT(groups("houses house", {"en", ""}),
              ElementsAre(ElementsAre("hous", "houses"), ElementsAre("house")));
}

TEST(QueryWords, that_differ_in_one_language_only_are_one) {
  const std::vector<QueryWord> found = Analyzer{}.query_words("irak IRAK ırak", Terms{"tr", "en"});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].word, "irak");
  EXPECT_THAT(found[0].terms, ElementsAre("irak", "ırak"));
  EXPECT_EQ(words("irak IRAK ırak", {"en"}), (Terms{"irak", "ırak"}));
}

TEST(QueryWords, of_an_endless_question_are_the_first_ones) {
  std::string question;
  for (std::size_t i = 0; i < 2 * kQueryWordsMax; ++i) question += std::to_string(i) + " ";
  const std::vector<Terms> found = groups(question + "0", {"en", ""});
  ASSERT_THAT(found, SizeIs(kQueryWordsMax));
  EXPECT_THAT(found.back(), ElementsAre(std::to_string(kQueryWordsMax - 1)));
  // The same ones, whatever they have in common in a language.
  question = "house houses ";
  for (std::size_t i = 2; i < 2 * kQueryWordsMax; ++i) question += std::to_string(i) + " ";
  EXPECT_EQ(words(question, {"en"}).back(), words(question, {""}).back());
}

// Bytes, marks and letters that have made trouble, in any order.
std::string hostile_text(std::mt19937_64& random) {
  static constexpr std::array<std::string_view, 28> kPieces = {
      "a",      "Z",      "9",   ".",  ",",    "-",        "_",      "@",    "'",  "#",
      "++",     "://",    " ",   "\n", "İ",    "ß",        "한국",   "漢字", "カ", "\u0301",
      "\uFF9E", "\u200D", "ไทย", "﷽",  "\xC3", "\xF0\x9F", "\u00AD", "𝔸"};
  std::string text;
  const std::size_t pieces = random() % 200;
  for (std::size_t i = 0; i < pieces; ++i) {
    if (random() % 5 == 0) {
      text.push_back(static_cast<char>(random() % 256));
    } else {
      text += kPieces[random() % kPieces.size()];
    }
  }
  return text;
}

TEST(Analyzer, gives_clean_terms_for_any_bytes_and_the_same_each_time) {
  std::mt19937_64 random{20261121};
  Analyzer used;
  const Terms languages = {"en", "tr", "", "el", "ar"};
  for (int i = 0; i < 3'000 / kSanitizerShare; ++i) {
    const std::string text = hostile_text(random);
    const std::string& language = languages[random() % languages.size()];
    Terms found;
    used.analyze(text, language, found);
    if (i % 50 == 0) {
      EXPECT_EQ(found, terms(text, language));
    }
    EXPECT_LE(found.size(), 2 * text.size());
    for (const std::string& term : found) {
      ASSERT_TRUE(!term.empty() && term.size() <= kTermBytesMax && is_valid_utf8(term)) << text;
    }
    std::set<std::string> seen;
    std::set<std::string> names;
    for (const auto& [word, group] : used.query_words(text, Terms{""})) {
      EXPECT_THAT(group, ElementsAre(word));
      EXPECT_TRUE(names.insert(word).second) << word;
    }
    for (const auto& [word, group] : used.query_words(text, languages)) {
      ASSERT_FALSE(group.empty());
      for (const std::string& term : group) EXPECT_TRUE(seen.insert(term).second) << term;
      EXPECT_TRUE(names.contains(word) && seen.contains(word)) << word;
    }
    for (const auto& [word, group] : used.query_words(text, {&language, 1})) {
      EXPECT_TRUE(names.contains(word)) << word;
      EXPECT_THAT(found, Contains(group[0]));  // a text is found by itself
    }
    detect_language(text);
  }
}

TEST(DetectLanguage, names_the_language_of_a_sentence) {
  EXPECT_EQ(detect_language("The cat sat on the mat and looked at the rain."), "en");
  EXPECT_EQ(detect_language("El gato se sentó en la alfombra y miraba la lluvia."), "es");
  EXPECT_EQ(detect_language(repeated("世界上有许多不同的语言，其中一些使用的人很多。", 4)), "zh");
  EXPECT_EQ(detect_language(repeated("世界上有許多不同的語言，其中一些使用的人很多。", 4)), "zh");
  EXPECT_EQ(detect_language("これは日本語の文章です。東京は日本の首都です。"), "ja");
  EXPECT_EQ(detect_language("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย"), "th");
  EXPECT_EQ(detect_language("שלום עולם זה טקסט בעברית"), "he");
}

TEST(DetectLanguage, does_not_guess_from_a_few_letters) {
  for (const char* text : {"", " ", "E-1042", "Panthers", "1,000.50 10.0.0.1", "\xFF\xFE\xFF"}) {
    EXPECT_EQ(detect_language(text), "") << text;
  }
}

TEST(DetectLanguage, names_the_language_of_most_of_the_text) {
  const std::string english = repeated("The cat sat on the mat and looked at the rain. ", 100);
  const std::string spanish = repeated("El gato se sentó y miraba la lluvia de la tarde. ", 1000);
  EXPECT_EQ(detect_language(english + spanish), "es");
}

TEST(DetectLanguage, takes_the_larger_language_of_a_long_text_full_of_names) {
  EXPECT_EQ(detect_language(
                "En el año 2000, la cadena lanzó una campaña: Good Morning America, World News "
                "Tonight, Monday Night Football y Dancing with the Stars se anunciaron juntos "
                "en todas las calles de la ciudad, y el público respondió con gran entusiasmo."),
            "es");
}

TEST(DetectLanguage, sees_through_bytes_and_controls_that_are_no_text) {
  EXPECT_EQ(detect_language("\xFF\x01 The cat sat\xC2\x85on the mat \xEF\xBF\xBF and looked out."),
            "en");
}

}  // namespace
}  // namespace millrace
