#include <gmock/gmock.h>

#include "samples.h"
#include "workers/extractor/formats/pdf_layout.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Pdf, reads_pages_paragraphs_and_title) {
  const auto text = parse_as("pdf", make_pdf({{text_at(72, 760, "First line of the first") +
                                                   text_at(72, 746, "paragraph ends here.") +
                                                   text_at(72, 710, "Second paragraph."),
                                               text_at(72, 760, "On the second page.")},
                                              "The title"}));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->title, "The title");
  EXPECT_EQ(text->pages, 2);
  EXPECT_THAT(block_texts(*text), ElementsAre("First line of the first paragraph ends here.",
                                              "Second paragraph.", "On the second page."));
  EXPECT_EQ(text->blocks[0].page, 1);
  EXPECT_EQ(text->blocks[2].page, 2);
}

TEST(Pdf, undoes_hyphenation_at_line_ends) {
  const auto text = parse_as("pdf", make_pdf({{text_at(72, 760, "A word is hyphen-") +
                                               text_at(72, 746, "ated at the end of a line.")},
                                              ""}));
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "A word is hyphenated at the end of a line.");
}

TEST(Pdf, reads_one_column_after_the_other) {
  std::string page;
  for (int i = 0; i < 12; ++i) {
    page += text_at(60, 760 - 14 * i, "left column line number " + std::to_string(i)) +
            text_at(330, 760 - 14 * i, "right column line number " + std::to_string(i));
  }
  const auto text = parse_as("pdf", make_pdf({{page}, ""}));
  ASSERT_TRUE(text);
  EXPECT_THAT(text->text, HasSubstr("number 10 left column line number 11"));
  EXPECT_LT(text->text.find("left column line number 11"),
            text->text.find("right column line number 0"));
}

TEST(Pdf, takes_list_marks_for_list_items) {
  const auto text =
      parse_as("pdf", make_pdf({{text_at(72, 760, "Things:") + text_at(72, 746, "1. the first") +
                                 text_at(72, 732, "2. the second")},
                                ""}));
  ASSERT_TRUE(text);
  EXPECT_THAT(block_texts(*text), ElementsAre("Things:", "1. the first", "2. the second"));
  EXPECT_EQ(text->blocks[1].kind, Block::Kind::list_item);
}

TEST(Pdf, says_that_an_encrypted_file_needs_a_password) {
  const auto text = parse_as(
      "pdf", make_pdf({.pages = {text_at(72, 760, "secret")}, .title = "", .encrypted = true}));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, Error::Kind::rejected);
  EXPECT_THAT(text.error().message, HasSubstr("encrypted: a password is needed"));
}

TEST(Pdf, says_that_a_broken_file_is_broken) {
  for (const char* bytes : {"%PDF-1.4\nnothing of the kind", "%PDF-1.4\n1 0 obj\n<<"}) {
    const auto text = parse_as("pdf", bytes);
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, HasSubstr("broken"));
  }
}

TEST(Pdf, reads_what_is_left_of_a_file_cut_short_or_refuses_it) {
  const std::string whole = make_pdf({{text_at(72, 760, "A page of text.")}, "t"});
  for (std::size_t length = 9; length < whole.size(); length += 7) {
    const auto text = parse_as("pdf", whole.substr(0, length));
    if (!text) {
      EXPECT_EQ(text.error().kind, Error::Kind::rejected);
    }
  }
}

TEST(Pdf, refuses_more_pages_than_the_limit) {
  const auto text = parse_as("pdf", make_pdf({{"", "", ""}, ""}), {}, {.pages_max = 2});
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("3 pages"));
}

TEST(Pdf, expands_ligatures) {
  EXPECT_EQ(expand_ligatures("e\uFB03cient \uFB01re \uFB02y \uFB00 \uFB06"),
            "efficient fire fly ff st");
  EXPECT_EQ(expand_ligatures("\uFB13 \uFE70"), "\uFB13 \uFE70");
}

TEST(Pdf, joins_lines_with_regard_to_hyphens) {
  LineJoiner joiner;
  EXPECT_EQ(joiner.join({"one", "two"}), "one two");
  EXPECT_EQ(joiner.join({"infor-", "mation"}), "information");
  EXPECT_EQ(joiner.join({"Anglo-", "Saxon"}), "Anglo-Saxon");
  EXPECT_EQ(joiner.join({"1990-", "1995"}), "1990-1995");
  EXPECT_EQ(joiner.join({"in d-", "dimensional space"}), "in d-dimensional space");
  EXPECT_EQ(joiner.join({"an open-", "domain question"}), "an opendomain question");
  joiner.learn("all open-domain systems");
  EXPECT_EQ(joiner.join({"an open-", "domain question"}), "an open-domain question");
}

TEST(Pdf, leaves_out_bullets_that_stand_alone) {
  const PdfWord bullet{"\u2022", 10, 14, 100, 110, 0, false};
  const PdfWord word{"text", 30, 60, 120, 130, 0, false};
  const auto paragraphs = layout_page({bullet, word});
  ASSERT_EQ(paragraphs.size(), 1U);
  EXPECT_THAT(paragraphs[0].lines, ElementsAre("text"));
}

TEST(Pdf, splits_right_to_left_text_at_blank_lines) {
  const auto paragraphs = layout_text("שלום עולם\nעוד שורה\n\n\nפסקה\n");
  ASSERT_EQ(paragraphs.size(), 2U);
  EXPECT_THAT(paragraphs[0].lines, ElementsAre("שלום עולם", "עוד שורה"));
}

}  // namespace
}  // namespace millrace
