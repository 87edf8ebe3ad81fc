#include "workers/extractor/formats.h"

#include <gmock/gmock.h>

#include "samples.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string detected(std::string_view bytes, std::string_view media_type, std::string_view name) {
  const Result<const Format*> format = detect_format(bytes, media_type, name);
  return format ? std::string{(*format)->name} : "error: " + format.error().message;
}

TEST(Formats, believes_certain_bytes_before_claims_and_names) {
  const std::string pdf = make_pdf({{text_at(50, 700, "x")}, "t"});
  EXPECT_EQ(detected(pdf, "text/html", "a.txt"), "pdf");
  EXPECT_EQ(detected("\n  <!DOCTYPE html><p>x", "application/pdf", "a.pdf"), "html");
  EXPECT_EQ(detected("<html><body>x", "", "invoice.pdf"), "html");
  EXPECT_EQ(detected("<!-- c --><?xml version='1.0'?>\n<HTML lang=en>", "", ""), "html");
  EXPECT_EQ(detected(utf16(u"<html><body>x", false), "", ""), "html");
  EXPECT_EQ(detected(make_docx("<w:p/>"), "text/plain", "a.txt"), "docx");
}

TEST(Formats, takes_a_claim_before_a_name_where_bytes_are_plain_text) {
  EXPECT_EQ(detected("a,b\n1,2\n", "text/csv; charset=utf-8", "a.md"), "csv");
  EXPECT_EQ(detected("# t", "", "a.MD"), "markdown");
  EXPECT_EQ(detected("{}", "Application/JSON", ""), "json");
  EXPECT_EQ(detected("{}", "application/octet-stream", "x.jsonl"), "jsonl");
  EXPECT_EQ(detected("words", "", ""), "txt");
  EXPECT_EQ(detected("words", "application/unheard-of", "x.unheard"), "txt");
}

TEST(Formats, does_not_believe_a_claim_that_the_bytes_contradict) {
  EXPECT_EQ(detected("just words", "application/pdf", "a.pdf"), "txt");
  EXPECT_EQ(detected("just words", "", "a.docx"), "txt");
}

TEST(Formats, finds_a_pdf_behind_leading_rubbish) {
  const std::string rubbish("\0\x01\x02 rubbish\n", 12);
  EXPECT_EQ(detected(rubbish + make_pdf({{text_at(50, 700, "x")}, "t"}), "", ""), "pdf");
}

TEST(Formats, refuses_what_it_does_not_know_and_names_what_it_knows) {
  const std::string binary(
      "\x7F"
      "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0",
      18);
  EXPECT_THAT(detected(binary, "application/pdf", "a.pdf"), HasSubstr("pdf, docx, html"));
  EXPECT_THAT(detected("", "text/plain", "a.txt"), HasSubstr("empty"));
  EXPECT_THAT(detected(make_zip({{"a.txt", "x"}}), "", "a.docx"), HasSubstr("archive"));
  EXPECT_THAT(detected(std::string("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0\0", 12), "", "a.doc"),
              HasSubstr("old binary form"));
}

TEST(Formats, takes_utf16_without_a_mark_for_text) {
  EXPECT_EQ(detected(utf16(u"a plain sentence", false).substr(2), "", ""), "txt");
  EXPECT_EQ(detected(utf16(u"a plain sentence", true).substr(2), "", ""), "txt");
}

TEST(Formats, knows_media_types_with_parameters_and_those_that_say_nothing) {
  EXPECT_TRUE(media_type_known("text/HTML ; charset=utf-8"));
  EXPECT_TRUE(media_type_known(""));
  EXPECT_TRUE(media_type_known("application/octet-stream"));
  EXPECT_TRUE(media_type_known("text/x-log"));
  EXPECT_FALSE(media_type_known("image/png"));
  EXPECT_FALSE(media_type_known("application/zip"));
}

TEST(Formats, splits_plain_text_at_blank_lines_and_joins_wrapped_lines) {
  const auto text = parse_as("txt",
                             "Title\r\nAuthor\r\n\r\n"
                             "This line was wrapped by the program that made the file\r\n"
                             "and goes on here.\r\n  \r\n- one\r\n- two\r\n");
  ASSERT_TRUE(text);
  EXPECT_THAT(block_texts(*text),
              ElementsAre("Title\nAuthor",
                          "This line was wrapped by the program that made the file and goes on "
                          "here.",
                          "- one\n- two"));
}

TEST(Formats, reads_text_of_any_encoding) {
  const std::string expected = "Grüße, naïve café";
  for (const std::string& bytes :
       {utf16(u"Grüße, naïve café", false), utf16(u"Grüße, naïve café", true),
        std::string{"\xEF\xBB\xBFGrüße, naïve café"}, expected}) {
    const auto text = parse_as("txt", bytes);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(text->text, expected);
  }
  const auto cp1252 = parse_as("txt",
                               "Gr\xFC\xDF"
                               "e, na\xEFve caf\xE9",
                               "windows-1252");
  ASSERT_TRUE(cp1252);
  EXPECT_EQ(cp1252->text, expected);
}

TEST(Formats, detects_an_encoding_that_nobody_declared) {
  // "This is a sentence in Japanese. Character codes are guessed.", in Shift JIS.
  const std::string sentence =
      "\x82\xB1\x82\xEA\x82\xCD\x93\xFA\x96\x7B\x8C\xEA\x82\xCC\x95\xB6\x8F\xCD\x82\xC5\x82\xB7"
      "\x81\x42\x95\xB6\x8E\x9A\x83\x52\x81\x5B\x83\x68\x82\xF0\x90\x84\x91\xAA\x82\xB5\x82\xDC"
      "\x82\xB7\x81\x42";
  const auto text = parse_as("txt", sentence + sentence + sentence);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(text->text, HasSubstr("これは日本語の文章です。"));
}

TEST(Formats, reads_markdown_with_headings_lists_tables_and_code) {
  const auto text = parse_as("markdown",
                             "---\nlayout: x\ntitle: \"The title\"\n---\n"
                             "# Top\n\nA *para* with [a link](http://x)\nwrapped.\n\n"
                             "- one\n- two\n  - nested\n\n"
                             "| a | b |\n|---|---|\n| 1 | 2 |\n\n```cpp\nint x;\n  x = 1;\n```\n");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->title, "The title");
  EXPECT_THAT(block_texts(*text), ElementsAre("Top", "A para with a link wrapped.", "one", "two",
                                              "nested", "a | b", "1 | 2", "int x;\n  x = 1;"));
  const auto kind = [&](std::size_t i) { return text->blocks[i].kind; };
  EXPECT_EQ(kind(0), Block::Kind::heading);
  EXPECT_EQ(kind(2), Block::Kind::list_item);
  EXPECT_EQ(kind(5), Block::Kind::table_row);
  EXPECT_EQ(kind(7), Block::Kind::code);
  EXPECT_THAT(text->blocks[7].headings, ElementsAre("Top"));
}

TEST(Formats, takes_a_markdown_title_from_the_first_heading_and_hides_hidden_html) {
  const auto text =
      parse_as("markdown", "# First\n\nSeen <span style=\"display: none\">unseen</span>.\n");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->title, "First");
  EXPECT_EQ(text->text, "First\n\nSeen .");
}

}  // namespace
}  // namespace millrace
