#include <gmock/gmock.h>

#include "samples.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string paragraph(std::string_view text, std::string_view style = {}) {
  std::string xml = "<w:p>";
  if (!style.empty()) xml += "<w:pPr><w:pStyle w:val=\"" + std::string{style} + "\"/></w:pPr>";
  return xml + "<w:r><w:t xml:space=\"preserve\">" + std::string{text} + "</w:t></w:r></w:p>";
}

constexpr std::string_view kStyles =
    "<w:style w:styleId=\"T\"><w:name w:val=\"Title\"/></w:style>"
    "<w:style w:styleId=\"H1\"><w:name w:val=\"heading 1\"/></w:style>"
    "<w:style w:styleId=\"Mine\"><w:name w:val=\"Mine\"/><w:basedOn w:val=\"H1\"/></w:style>"
    "<w:style w:styleId=\"A\"><w:name w:val=\"A\"/><w:basedOn w:val=\"B\"/></w:style>"
    "<w:style w:styleId=\"B\"><w:name w:val=\"B\"/><w:basedOn w:val=\"A\"/></w:style>"
    "<w:style w:styleId=\"H2\"><w:name w:val=\"H2\"/><w:pPr><w:outlineLvl w:val=\"1\"/></w:pPr>"
    "</w:style>";

TEST(Docx, reads_headings_by_style_lists_and_tables) {
  const std::string body = paragraph("The title", "T") + paragraph("One", "Mine") +
                           paragraph("Two", "H2") + paragraph("Text", "A") +
                           "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>entry</w:t></w:r></w:p>"
                           "<w:tbl><w:tr><w:tc>" +
                           paragraph("a") + "</w:tc><w:tc>" + paragraph("b1") + paragraph("b2") +
                           "</w:tc></w:tr><w:tr><w:tc><w:tbl><w:tr><w:tc>" + paragraph("inner") +
                           "</w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>" + paragraph("after");
  const auto text = parse_as("docx", make_docx(body, kStyles));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->title, "The title");
  EXPECT_THAT(block_texts(*text), ElementsAre("The title", "One", "Two", "Text", "entry",
                                              "a | b1 b2", "inner", "after"));
  EXPECT_EQ(text->blocks[4].kind, Block::Kind::list_item);
  EXPECT_EQ(text->blocks[5].kind, Block::Kind::table_row);
  EXPECT_THAT(text->blocks[7].headings, ElementsAre("The title", "One", "Two"));
}

TEST(Docx, leaves_out_deleted_moved_and_hidden_text) {
  const std::string body =
      "<w:p><w:r><w:t>kept</w:t><w:tab/><w:t>too</w:t></w:r>"
      "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
      "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
      "<w:ins><w:r><w:t xml:space=\"preserve\"> added</w:t></w:r></w:ins>"
      "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
      "<w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>!</w:t></w:r>"
      "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>";
  const auto text = parse_as("docx", make_docx(body));
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "kept too added!");
}

TEST(Docx, reads_a_text_box_once) {
  const std::string box = "<w:txbxContent>" + paragraph("boxed") + "</w:txbxContent>";
  const auto text = parse_as(
      "docx", make_docx("<w:p><w:r><w:t>outer</w:t></w:r><w:r><mc:AlternateContent><mc:Choice>" +
                        box + "</mc:Choice><mc:Fallback>" + box +
                        "</mc:Fallback></mc:AlternateContent></w:r></w:p>"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(block_texts(*text), ElementsAre("boxed", "outer"));
}

TEST(Docx, reads_strict_files_with_other_prefixes_and_part_names) {
  const auto text = parse_as(
      "docx",
      make_zip({{"_rels/.rels",
                 "<Relationships><Relationship Type=\"http://purl.oclc.org/ooxml/officeDocument/"
                 "relationships/officeDocument\" Target=\"/word/main.xml\"/></Relationships>"},
                {"word/main.xml",
                 "<x:document xmlns:x=\"http://purl.oclc.org/ooxml/wordprocessingml/main\"><x:body>"
                 "<x:p><x:r><x:t>strict</x:t></x:r></x:p></x:body></x:document>"},
                {"docProps/core.xml", "<cp:c xmlns:dc=\"d\"><dc:title>Named</dc:title></cp:c>"}}));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->text, "strict");
  EXPECT_EQ(text->title, "Named");
}

TEST(Docx, refuses_to_unpack_without_end) {
  const std::string bomb = make_docx(paragraph(std::string(5'000'000, 'a')));
  ASSERT_LT(bomb.size(), 50'000U);
  const auto text = parse_as("docx", bomb, {}, {.unpacked_bytes_max = 1'000'000});
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("unpacks to more than 1000000 bytes"));
}

TEST(Docx, does_not_believe_the_size_that_the_archive_states) {
  std::string bomb = make_docx(paragraph(std::string(5'000'000, 'a')));
  // The size of word/document.xml in the central directory: entry signature, then 24 bytes.
  const std::size_t name = bomb.rfind("word/document.xml");
  ASSERT_NE(name, std::string::npos);
  for (std::size_t i = 0; i < 4; ++i) bomb[name - 46 + 24 + i] = i == 0 ? '\x10' : '\0';
  const auto text = parse_as("docx", bomb, {}, {.unpacked_bytes_max = 1'000'000});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, Error::Kind::rejected);
}

TEST(Docx, refuses_a_dtd) {
  const auto text = parse_as(
      "docx",
      make_zip({{"word/document.xml",
                 "<!DOCTYPE d [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;\">]><w:document><w:body>"
                 "<w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>"}}));
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("DTD"));
}

TEST(Docx, says_what_is_broken) {
  EXPECT_THAT(parse_as("docx", make_zip({{"word/document.xml", "<a><b></a>"}})).error().message,
              HasSubstr("word/document.xml is broken"));
  EXPECT_THAT(parse_as("docx", make_zip({{"word/other.xml", "<a/>"}})).error().message,
              HasSubstr("word/document.xml is missing"));
  const std::string whole = make_docx(paragraph("text"));
  const auto cut = parse_as("docx", whole.substr(0, whole.size() / 2));
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("archive is broken"));
}

TEST(Docx, walks_deep_nesting_without_recursion) {
  std::string body;
  for (int i = 0; i < 100'000; ++i) body += "<w:sdt>";
  body += paragraph("deep");
  for (int i = 0; i < 100'000; ++i) body += "</w:sdt>";
  const auto text = parse_as("docx", make_docx(body));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->text, "deep");
}

}  // namespace
}  // namespace millrace
