#include "workers/extractor/text_builder.h"

#include <gmock/gmock.h>

#include "samples.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Block::Kind;

ExtractedText built(TextBuilder& out) {
  Result<ExtractedText> text = out.finish({}, 0);
  EXPECT_TRUE(text) << text.error().message;
  return text ? *std::move(text) : ExtractedText{};
}

TEST(TextBuilder, counts_code_points_not_bytes) {
  TextBuilder out{{}};
  out.add(Kind::paragraph, "Grüße aus Łódź 🎉");
  out.add(Kind::paragraph, "second");
  const ExtractedText text = built(out);
  EXPECT_THAT(block_texts(text), ElementsAre("Grüße aus Łódź 🎉", "second"));
  EXPECT_EQ(text.blocks[0].end, 16);
  EXPECT_EQ(text.blocks[1].start, 18);
}

TEST(TextBuilder, makes_white_space_and_control_characters_plain) {
  TextBuilder out{{}};
  out.add(Kind::paragraph,
          " \t a\u00A0 b\x01"
          "c \r\n\n  d\u2003 ");
  EXPECT_THAT(block_texts(built(out)), ElementsAre("a b c\nd"));
}

TEST(TextBuilder, drops_characters_that_nobody_sees) {
  TextBuilder out{{}};
  out.add(Kind::paragraph, "co\u00ADop\u200Berate\U000E0041\U000E0042\u202E.");
  EXPECT_THAT(block_texts(built(out)), ElementsAre("cooperate."));
}

TEST(TextBuilder, replaces_bytes_that_are_no_utf8) {
  TextBuilder out{{}};
  out.add(Kind::paragraph, "a\xFF\xC0\xAF\xED\xA0\x80z");
  EXPECT_THAT(block_texts(built(out)), ElementsAre("a\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDz"));
}

TEST(TextBuilder, keeps_the_indentation_of_code) {
  TextBuilder out{{}};
  out.add(Kind::code, "\n  if (x) {\n\n\treturn;  \n  }\n\n");
  EXPECT_THAT(block_texts(built(out)), ElementsAre("  if (x) {\n\n\treturn;\n  }"));
}

TEST(TextBuilder, keeps_the_path_of_headings_above_each_block) {
  TextBuilder out{{}};
  out.add(Kind::paragraph, "preface");
  out.heading(1, "One");
  out.heading(3, "Deep\nheading");
  out.add(Kind::paragraph, "text");
  out.heading(2, "Two");
  out.add(Kind::paragraph, "more");
  const ExtractedText text = built(out);
  ASSERT_EQ(text.blocks.size(), 6U);
  EXPECT_THAT(text.blocks[0].headings, ElementsAre());
  EXPECT_THAT(text.blocks[2].headings, ElementsAre("One"));
  EXPECT_THAT(text.blocks[3].headings, ElementsAre("One", "Deep heading"));
  EXPECT_THAT(text.blocks[5].headings, ElementsAre("One", "Two"));
  EXPECT_EQ(text.blocks[5].kind, Kind::paragraph);
}

TEST(TextBuilder, separates_rows_by_one_newline_and_paragraphs_by_two) {
  TextBuilder out{{}};
  out.add(Kind::table_row, "a");
  out.add(Kind::table_row, "b");
  out.add(Kind::paragraph, "c");
  EXPECT_EQ(built(out).text, "a\nb\n\nc");
}

TEST(TextBuilder, refuses_more_text_than_the_limit_and_says_so) {
  TextBuilder out{{.output_bytes_max = 10}};
  out.add(Kind::paragraph, "12345");
  EXPECT_FALSE(out.full());
  out.add(Kind::paragraph, "12345");
  EXPECT_TRUE(out.full());
  const Result<ExtractedText> text = out.finish({}, 0);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, Error::Kind::rejected);
  EXPECT_THAT(text.error().message, HasSubstr("10 bytes"));
}

TEST(TextBuilder, counts_the_repeated_headings_against_the_limit) {
  TextBuilder out{{.output_bytes_max = 2'000}};
  out.heading(1, std::string(150, 'h'));
  for (int i = 0; i < 20; ++i) out.add(Kind::paragraph, "x");
  EXPECT_TRUE(out.full());
}

TEST(TextBuilder, joins_short_rows_once_there_are_very_many) {
  TextBuilder out{{}};
  for (int i = 0; i < 1'000'000; ++i) out.add(Kind::table_row, "row");
  const ExtractedText text = built(out);
  EXPECT_LT(text.blocks.size(), 110'000U);
  EXPECT_EQ(text.text.size(), 3'999'999U);
  EXPECT_EQ(block_texts(text).size(), text.blocks.size());
}

TEST(TextBuilder, refuses_paragraphs_without_number) {
  TextBuilder out{{}};
  for (int i = 0; i < 250'001; ++i) out.add(Kind::paragraph, "p");
  EXPECT_TRUE(out.full());
}

}  // namespace
}  // namespace millrace
