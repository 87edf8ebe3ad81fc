#include <gmock/gmock.h>

#include "samples.h"
#include "workers/extractor/formats/html_tree.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> html_blocks(std::string_view html) {
  const auto text = parse_as("html", html);
  EXPECT_TRUE(text) << text.error().message;
  return text ? block_texts(*text) : std::vector<std::string>{};
}

TEST(Html, reads_title_headings_paragraphs_lists_and_code) {
  const auto text = parse_as(
      "html",
      "<!doctype html><html><head><title>The &amp; title</title><style>p{}</style></head><body>"
      "<nav><a href=/>Home</a></nav><h1>One</h1><p>Some <b>bold</b>\n text</p>"
      "<ul><li>first<li>second <ol><li>nested</ol></ul><h2>Two</h2>"
      "<pre>a\n  b</pre>loose text<script>alert(1)</script></body></html>");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->title, "The & title");
  EXPECT_THAT(block_texts(*text), ElementsAre("Home", "One", "Some bold text", "first", "second",
                                              "nested", "Two", "a\n  b", "loose text"));
  EXPECT_EQ(text->blocks[3].kind, Block::Kind::list_item);
  EXPECT_EQ(text->blocks[7].kind, Block::Kind::code);
  EXPECT_THAT(text->blocks[8].headings, ElementsAre("One", "Two"));
}

TEST(Html, writes_table_rows_with_bars) {
  EXPECT_THAT(html_blocks("<table><tr><th>a<th>b<tr><td>1<td><p>2</p><p>3</p><tr><td></table>"),
              ElementsAre("a | b", "1 | 2 3"));
}

TEST(Html, reads_a_table_that_lays_out_a_page_as_text) {
  const std::string article(1'500, 'x');
  EXPECT_THAT(html_blocks("<table><tr><td><h1>Head</h1>one<br><br>two<td>" + article + "</table>"),
              ElementsAre("Head", "one", "two", article));
}

TEST(Html, leaves_out_what_a_reader_does_not_see) {
  for (const char* hidden :
       {"hidden", "style='display:none'", "style='color:red; DISPLAY : none !important'",
        "style='visibility:hidden'", "style='font-size:0'", "style='font-size:0.0px'",
        "style='opacity:0'", "aria-hidden='true'"}) {
    EXPECT_THAT(html_blocks("<p>seen</p><div " + std::string{hidden} +
                            "><p>unseen</p></div><table><tr><td>cell<td " + hidden + ">unseen"),
                ElementsAre("seen", "cell"))
        << hidden;
  }
  for (const char* element : {"script", "style", "template", "noscript"}) {
    const std::string tag{element};
    EXPECT_THAT(html_blocks("<p>seen</p><" + tag + ">unseen</" + tag + ">"), ElementsAre("seen"));
  }
  EXPECT_THAT(html_blocks("<!-- unseen --><p style='font-size:0.9em'>seen"), ElementsAre("seen"));
}

TEST(Html, keeps_line_breaks_and_ends_a_paragraph_at_two) {
  EXPECT_THAT(html_blocks("<p>Street 1<br>Town<br>\n<br>Next"),
              ElementsAre("Street 1\nTown", "Next"));
}

TEST(Html, reads_the_charset_that_the_page_declares) {
  EXPECT_EQ(declared_html_charset("<META http-equiv=Content-Type content='text/html; CHARSET=Shift_"
                                  "JIS'>"),
            "Shift_JIS");
  EXPECT_EQ(declared_html_charset("<meta charset=\"utf-8\"/>"), "utf-8");
  EXPECT_THAT(declared_html_charset("<html>"), IsEmpty());
  EXPECT_THAT(html_blocks("<meta charset=iso-8859-2><p>\xB3\xF3\x64\xBC"), ElementsAre("łódź"));
}

TEST(Html, a_declared_charset_of_the_upload_goes_before_that_of_the_page) {
  const auto text = parse_as("html", "<meta charset=iso-8859-2><p>\xB3", "iso-8859-1");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "³");
}

TEST(Html, refuses_nesting_without_end_and_says_so) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<div>";
  const auto text = parse_as("html", deep + "x");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("2000"));
}

TEST(Html, reads_a_page_as_deep_as_allowed_and_a_long_one_of_unclosed_tags) {
  std::string deep;
  for (int i = 0; i < kHtmlDepthMax - 1; ++i) deep += "<div>";
  EXPECT_THAT(html_blocks(deep + "x"), ElementsAre("x"));
  std::string unclosed = "<ul>";
  for (int i = 0; i < 5'000; ++i) unclosed += "<li>x<p>y";
  EXPECT_EQ(html_blocks(unclosed).size(), 10'000U);
}

TEST(Html, takes_anything_for_html_without_failing) {
  EXPECT_THAT(html_blocks("<<<>>&#xZZ;</p></table><a href='"), testing::SizeIs(testing::Ge(1U)));
  EXPECT_THAT(html_blocks("<svg><title>t</title><text>drawn</text></svg>"), ElementsAre("drawn"));
}

}  // namespace
}  // namespace millrace
