#include "workers/model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

using namespace std::string_view_literals;
using ::testing::ElementsAre;

struct Golden {
  std::string_view text;
  std::vector<Token> tokens;
};

// Ids and byte offsets of Hugging Face tokenizers 0.23 with the same file, special tokens in the
// text taken as text.
const std::vector<Golden>& goldens() {
  static const std::vector<Golden> rows{
      {""sv, {}},
      {" \011\012\015\302\240\343\200\200\342\200\250"sv, {}},
      {"unaffable  UNAFFORDABLE"sv,
       {{5, 0, 2}, {6, 2, 5}, {7, 5, 9}, {5, 11, 13}, {6, 13, 16}, {8, 16, 19}, {7, 19, 23}}},
      {"Caf\303\251 CAFE\314\201S caf\303\251s."sv,
       {{10, 0, 5}, {10, 6, 10}, {11, 12, 13}, {10, 14, 19}, {11, 19, 20}, {21, 20, 21}}},
      {"Na\303\257ve nai\314\210ve"sv, {{12, 0, 2}, {13, 2, 6}, {12, 7, 9}, {13, 9, 14}}},
      {"\304\260stanbul Istanbul I\314\207stan"sv,
       {{14, 0, 9}, {14, 10, 18}, {15, 19, 20}, {16, 22, 26}}},
      {"[PAD] [CLS]#-"sv,
       {{22, 0, 1},
        {24, 1, 4},
        {23, 4, 5},
        {22, 6, 7},
        {25, 7, 9},
        {11, 9, 10},
        {23, 10, 11},
        {26, 11, 12},
        {27, 12, 13}}},
      {"\344\270\226\347\225\214hello\344\270\226"sv,
       {{32, 0, 3}, {33, 3, 6}, {17, 6, 11}, {32, 11, 14}}},
      {"\355\225\234 \355\225\230"sv, {{37, 0, 3}, {38, 0, 3}, {39, 0, 3}, {37, 4, 7}, {38, 4, 7}}},
      {"Stra\303\237e STRASSE \357\254\201"sv,
       {{41, 0, 4}, {42, 4, 6}, {43, 6, 7}, {40, 8, 15}, {60, 16, 19}}},
      {"20262026 \302\262"sv,
       {{44, 0, 1},
        {45, 1, 2},
        {46, 2, 3},
        {47, 3, 4},
        {46, 4, 5},
        {45, 5, 6},
        {46, 6, 7},
        {47, 7, 8},
        {1, 9, 11}}},
      {"\342\200\234hello\342\200\235\342\200\246\342\202\254$="sv,
       {{49, 0, 3},
        {17, 3, 8},
        {50, 8, 11},
        {51, 11, 14},
        {56, 14, 17},
        {57, 17, 18},
        {58, 18, 19}}},
      {"xxxxxxxxxxxx xxxxxxxxxxxxx"sv,
       {{54, 0, 1},
        {55, 1, 2},
        {55, 2, 3},
        {55, 3, 4},
        {55, 4, 5},
        {55, 5, 6},
        {55, 6, 7},
        {55, 7, 8},
        {55, 8, 9},
        {55, 9, 10},
        {55, 10, 11},
        {55, 11, 12},
        {1, 13, 26}}},
      {"hel\302\255lo\342\200\213 wor\000ld\357\277\275\357\273\277"sv, {{17, 0, 7}, {18, 11, 17}}},
      {"\316\243\316\237\316\246\316\237\316\243 \317\203\316\277\317\206\316\277\317\202"sv,
       {{53, 0, 10}, {52, 11, 21}}},
      {"a\314\201\314\243\322\211b ab"sv, {{1, 0, 8}, {30, 9, 10}, {28, 10, 11}}},
      {"\341\242\205a \342\271\203b"sv, {{1, 0, 4}, {1, 5, 9}}},
      {"\360\237\230\200 hello"sv, {{1, 0, 4}, {17, 5, 10}}},
      {"a\302\205b\342\200\251a"sv, {{30, 0, 1}, {28, 3, 4}, {30, 7, 8}}},
      {"hello,world!sing"sv, {{17, 0, 5}, {20, 5, 6}, {18, 6, 11}, {19, 11, 12}, {35, 12, 16}}},
  };
  return rows;
}

const Tokenizer& tiny() {
  static const auto tokenizer =
      load_tokenizer(std::filesystem::path{MILLRACE_GOLDEN_FOLDER} / "tokenizer/tiny.json");
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return **tokenizer;
}

std::string describe(const std::vector<Token>& tokens) {
  std::string out;
  for (const Token& token : tokens) {
    out += std::to_string(token.id) + ":" + std::to_string(token.begin) + "-" +
           std::to_string(token.end) + " ";
  }
  return out;
}

TEST(Tokenizer, gives_the_ids_and_offsets_of_the_reference) {
  for (const Golden& golden : goldens()) {
    EXPECT_EQ(describe(tiny().tokenize(golden.text)), describe(golden.tokens)) << golden.text;
  }
}

TEST(Tokenizer, encodes_with_special_tokens_whatever_the_file_says_of_padding) {
  EXPECT_THAT(tiny().encode("hello world", 100), ElementsAre(2, 17, 18, 3));
  EXPECT_EQ(tiny().special_tokens(), 2U);
}

TEST(Tokenizer, cuts_to_the_tokens_asked_for) {
  EXPECT_THAT(tiny().encode("hello world unaffable", 5), ElementsAre(2, 17, 18, 5, 3));
  EXPECT_THAT(tiny().encode("hello", 2), ElementsAre(2, 3));
}

TEST(Tokenizer, takes_invalid_utf8_as_nothing) {
  const std::string text = "hel\xFFlo \xC3 wor\xE4\xB8ld";
  EXPECT_EQ(describe(tiny().tokenize(text)), "17:0-6 18:9-16 ");
}

TEST(Tokenizer, gives_offsets_in_order_and_within_whatever_comes) {
  std::mt19937 random{3};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (int i = 0; i < 100; ++i) {
      text +=
          round % 2 == 0 ? static_cast<char>(random()) : "aheéloİ世한 .\xCC\x81\xFF"[random() % 20];
    }
    std::uint32_t begin = 0;
    for (const Token& token : tiny().tokenize(text)) {
      ASSERT_GE(token.begin, begin);
      ASSERT_LT(token.begin, token.end);
      ASSERT_LE(token.end, text.size());
      begin = token.begin;
    }
  }
}

}  // namespace
}  // namespace millrace
