#include "workers/model/pair_encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workers/model/wordpiece.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<Tokenizer> tokenizer(std::vector<std::int32_t> before = {1},
                                     std::vector<std::int32_t> after = {2}) {
  WordPieceSettings settings;
  settings.special_before = std::move(before);
  settings.special_after = std::move(after);
  const Vocabulary vocabulary{{"[UNK]", 0}, {"why", 3}, {"rain", 4}, {"falls", 5}, {"##s", 6}};
  return *make_wordpiece_tokenizer(settings, vocabulary);
}

std::string times(std::size_t count, std::string_view word) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.append(word).push_back(' ');
  return text;
}

TEST(PairEncoder, puts_question_and_passage_into_two_segments) {
  const auto words = tokenizer();
  const auto encoder = PairEncoder::make(*words, "Why rains?", 32);
  ASSERT_TRUE(encoder) << encoder.error().message;
  const EncodedPair pair = encoder->encode(*words, "Rain falls");
  EXPECT_THAT(pair.ids, ElementsAre(1, 3, 4, 6, 0, 2, 4, 5, 2));
  EXPECT_EQ(pair.first, 6U);
  EXPECT_THAT(encoder->encode(*words, "").ids, ElementsAre(1, 3, 4, 6, 0, 2, 2));
}

TEST(PairEncoder, cuts_the_passage_and_leaves_the_question_whole) {
  const auto words = tokenizer();
  const auto encoder = PairEncoder::make(*words, "why rain", 16);
  const EncodedPair pair = encoder->encode(*words, times(100, "falls"));
  EXPECT_THAT(pair.ids, SizeIs(16));
  EXPECT_EQ(pair.first, 4U);
  EXPECT_EQ(pair.ids[14], 5);
  EXPECT_EQ(pair.ids[15], 2);
}

TEST(PairEncoder, leaves_half_of_the_room_for_the_passage) {
  const auto words = tokenizer();
  const auto encoder = PairEncoder::make(*words, times(100'000, "why"), 16);
  const EncodedPair pair = encoder->encode(*words, times(100'000, "falls"));
  EXPECT_THAT(pair.ids, ElementsAre(1, 3, 3, 3, 3, 3, 3, 2, 5, 5, 5, 5, 5, 5, 5, 2));
  EXPECT_EQ(pair.first, 8U);
}

TEST(PairEncoder, refuses_a_tokenizer_of_another_form) {
  std::vector<std::unique_ptr<Tokenizer>> odd_ones;
  odd_ones.push_back(tokenizer({}, {}));
  odd_ones.push_back(tokenizer({1}, {2, 2}));
  for (const auto& odd : odd_ones) {
    const std::size_t specials = odd->special_tokens();
    const auto encoder = PairEncoder::make(*odd, "", 32);
    ASSERT_FALSE(encoder);
    EXPECT_THAT(encoder.error().message,
                HasSubstr("adds " + std::to_string(specials) + " special tokens"));
  }
  EXPECT_FALSE(PairEncoder::make(*tokenizer(), "", PairEncoder::kTokensMin - 1));
}

}  // namespace
}  // namespace millrace
