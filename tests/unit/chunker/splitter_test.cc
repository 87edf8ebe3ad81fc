#include "workers/chunker/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/fake_embedding_model.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Builds a text of blocks, a newline between two.
class TextOf {
 public:
  TextOf() {
    event_.document.collection = "default";
    event_.document.document_id = "d";
    event_.document.revision = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  }
  TextOf& block(std::string_view text, std::vector<std::string> headings = {},
                Block::Kind kind = Block::Kind::paragraph, std::int32_t page = 0) {
    if (!event_.text.empty()) event_.text += "\n";
    const std::int64_t start = code_points(event_.text);
    event_.text += text;
    event_.blocks.push_back({kind, start, code_points(event_.text), page, std::move(headings)});
    return *this;
  }
  TextOf& heading(std::string_view text, std::vector<std::string> path) {
    return block(text, std::move(path), Block::Kind::heading);
  }
  const TextEvent& event() const { return event_; }

 private:
  TextEvent event_;
};

std::string words(int count, std::string_view stem) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string{stem} + std::to_string(i) + " ";
  text.back() = '.';
  return text;
}

std::vector<std::string> texts(const std::vector<Chunk>& chunks) {
  std::vector<std::string> out;
  for (const Chunk& each : chunks) out.push_back(each.text);
  return out;
}

const FakeTokenizer kTokenizer;

TEST(Splitter, keeps_a_short_text_whole_and_trims_it) {
  const auto chunks = split(TextOf{}.block("  One sentence. Another.  ").event(), kTokenizer, {});
  ASSERT_THAT(texts(chunks), ElementsAre("One sentence. Another."));
  EXPECT_EQ(chunks[0].start, 2);
  EXPECT_EQ(chunks[0].end, 24);
  EXPECT_EQ(chunks[0].ordinal, 0);
}

TEST(Splitter, makes_nothing_of_white_space) {
  EXPECT_THAT(split(TextOf{}.block(" \n\t ").event(), kTokenizer, {}), IsEmpty());
  EXPECT_THAT(split(TextEvent{}, kTokenizer, {}), IsEmpty());
}

TEST(Splitter, ends_chunks_between_sentences_and_repeats_whole_ones) {
  const std::string a = words(20, "A") + " ", b = words(5, "B") + " ", c = words(20, "C");
  const auto chunks = split(TextOf{}.block(a + b + c).event(), kTokenizer,
                            {.chunk_tokens = 30, .overlap_tokens = 8, .max_tokens = 256});
  EXPECT_THAT(texts(chunks), ElementsAre(a + b.substr(0, b.size() - 1), b + c));
}

TEST(Splitter, begins_a_new_chunk_at_a_heading_and_overlaps_nothing_across_it) {
  const auto chunks = split(TextOf{}
                                .heading("One", {"One"})
                                .block(words(30, "a"), {"One"})
                                .heading("Two", {"Two"})
                                .block(words(10, "b"), {"Two"})
                                .event(),
                            kTokenizer, {.chunk_tokens = 60, .overlap_tokens = 40});
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_TRUE(chunks[1].text.starts_with("Two\n"));
  EXPECT_THAT(chunks[1].headings, ElementsAre("Two"));
}

TEST(Splitter, lets_small_sections_share_a_chunk_under_the_path_they_share) {
  const auto chunks = split(TextOf{}
                                .heading("A", {"Top", "A"})
                                .block("Short.", {"Top", "A"})
                                .heading("B", {"Top", "B"})
                                .block("Short too.", {"Top", "B"})
                                .event(),
                            kTokenizer, {.chunk_tokens = 60});
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_THAT(chunks[0].headings, ElementsAre("Top"));
}

TEST(Splitter, never_leaves_a_heading_at_the_end_of_a_chunk) {
  const auto chunks = split(TextOf{}
                                .block(words(25, "a"))
                                .heading("Next part", {"Next part"})
                                .block(words(25, "b"), {"Next part"})
                                .event(),
                            kTokenizer, {.chunk_tokens = 30, .overlap_tokens = 0});
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_TRUE(chunks[1].text.starts_with("Next part\n"));
}

TEST(Splitter, keeps_table_rows_whole) {
  TextOf table;
  for (int row = 0; row < 10; ++row) {
    table.block("name: x. y" + std::to_string(row) + " | value: 1. 2. 3", {},
                Block::Kind::table_row);
  }
  const auto chunks = split(table.event(), kTokenizer, {.chunk_tokens = 40, .overlap_tokens = 0});
  ASSERT_GT(chunks.size(), 1U);
  for (const Chunk& each : chunks) {
    EXPECT_TRUE(each.text.starts_with("name:") && each.text.ends_with("3")) << each.text;
  }
}

TEST(Splitter, crosses_no_page_and_repeats_nothing_of_the_one_before) {
  const auto chunks = split(TextOf{}
                                .block("First page.", {}, Block::Kind::paragraph, 1)
                                .block("Heading at its end", {"H"}, Block::Kind::heading, 1)
                                .block("Second page.", {"H"}, Block::Kind::paragraph, 2)
                                .event(),
                            kTokenizer, {});
  ASSERT_THAT(texts(chunks), ElementsAre("First page.\nHeading at its end", "Second page."));
  EXPECT_EQ(chunks[0].page, 1);
  EXPECT_EQ(chunks[1].page, 2);
}

TEST(Splitter, leaves_room_for_the_heading_prefix_and_special_tokens) {
  const std::vector<std::string> path{"Alpha beta gamma delta", "Epsilon zeta eta theta"};
  TextOf text;
  for (int i = 0; i < 30; ++i) text.block(words(7, "w" + std::to_string(i) + "x"), path);
  const auto chunks = split(text.event(), kTokenizer, {.chunk_tokens = 64, .max_tokens = 64});
  ASSERT_GT(chunks.size(), 1U);
  for (const Chunk& each : chunks) {
    const auto ids = kTokenizer.encode(text_to_embed(text.event().document, each), 10'000);
    EXPECT_LE(ids.size(), 64U) << each.text;
  }
}

TEST(Splitter, cuts_one_endless_word_by_bytes) {
  const std::string word(200'000, 'x');
  const auto chunks = split(TextOf{}.block(word).event(), kTokenizer, {});
  std::string joined;
  for (const Chunk& each : chunks) {
    EXPECT_LE(each.text.size(), 256U * 16);
    joined += each.text;
  }
  EXPECT_EQ(joined, word);
}

// Counts the bytes it is asked to look at: the work must grow with the text, not with its square.
class CountingTokenizer final : public Tokenizer {
 public:
  std::vector<Token> tokenize(std::string_view utf8) const override {
    bytes_ += utf8.size();
    return inner_.tokenize(utf8);
  }
  std::vector<std::int32_t> encode(std::string_view utf8, std::size_t max) const override {
    return inner_.encode(utf8, max);
  }
  std::size_t special_tokens() const override { return inner_.special_tokens(); }
  std::size_t bytes() const { return bytes_; }

 private:
  FakeTokenizer inner_;
  mutable std::size_t bytes_ = 0;
};

TEST(Splitter, tokenizes_each_byte_of_a_long_line_once) {
  std::string line;
  while (line.size() < 1'000'000) line += "word and word, ";
  const CountingTokenizer tokenizer;
  const auto chunks = split(TextOf{}.block(line).event(), tokenizer, {});
  EXPECT_GT(chunks.size(), 1'000U);
  EXPECT_LE(tokenizer.bytes(), line.size() + 1'000);
}

class RandomText : public testing::TestWithParam<unsigned> {};

std::string random_block(std::mt19937& rng) {
  static const std::vector<std::string> kPieces{
      "alpha ", "be ta ", "\u00e4\u00f6\u00fc ", "\u6f22\u5b57", ". ", "! ", "\u3000", "\n",
      "42 ",    "(x) ",   "\U0001F600 ",         "\u00A0"};
  std::string text;
  const std::size_t count = rng() % 200;
  for (std::size_t i = 0; i < count; ++i) text += kPieces[rng() % kPieces.size()];
  return text;
}

TEST_P(RandomText, is_covered_exactly_and_in_order_within_the_limits) {
  std::mt19937 rng{GetParam()};
  TextOf text;
  for (std::size_t i = 0, count = rng() % 30; i < count; ++i) {
    const std::vector<std::string> path{"H" + std::to_string(i / 4)};
    if (i % 4 == 0) text.heading(path[0], path);
    text.block(random_block(rng), path);
  }
  const ChunkerOptions options{.chunk_tokens = 20 + rng() % 60, .overlap_tokens = rng() % 20};
  const auto chunks = split(text.event(), kTokenizer, options);

  const CodePointIndex index{text.event().text};
  std::vector<bool> covered(text.event().text.size(), false);
  std::int64_t previous_start = -1, previous_end = 0;
  for (const Chunk& each : chunks) {
    EXPECT_EQ(index.slice(each.start, each.end), each.text);
    EXPECT_GT(each.start, previous_start);
    EXPECT_GT(each.end, previous_end);
    EXPECT_LE(static_cast<std::size_t>(each.tokens), options.chunk_tokens);
    previous_start = each.start;
    previous_end = each.end;
    for (std::size_t at = index.byte_offset(each.start); at < index.byte_offset(each.end); ++at) {
      covered[at] = true;
    }
  }
  for (std::size_t at = 0; at < covered.size(); ++at) {
    const std::string_view rest = std::string_view{text.event().text}.substr(at);
    const bool blank = rest[0] == ' ' || rest[0] == '\n' || rest.starts_with("\u00A0") ||
                       rest.starts_with("\u3000") ||
                       (static_cast<unsigned char>(rest[0]) & 0xC0U) == 0x80U;
    EXPECT_TRUE(covered[at] || blank) << "byte " << at;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomText, testing::Range(0U, 60U));

}  // namespace
}  // namespace millrace
