#include "workers/answerer/neighbours.h"

#include "tests/unit/answerer/answerer_fixture.h"
#include "workers/answerer/cited_text.h"
#include "workers/answerer/prompt.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::string_view kDocument =
    "Das Rad dreht sich träge. Wasser fällt in die Zellen.\n\nDann leert es sich. "
    "Unten fließt es ab. Der Bach führt es fort.";

// The chunk that holds these code points of the document.
Passage chunk(std::int64_t start, std::int64_t end, std::string document = "d") {
  const CodePointIndex index{kDocument};
  Passage made = passage("c" + std::to_string(start), 0.5, std::string{index.slice(start, end)});
  made.document_id = std::move(document);
  made.start = start;
  made.end = end;
  return made;
}

std::string slice(std::int64_t start, std::int64_t end) {
  return std::string{CodePointIndex{kDocument}.slice(start, end)};
}

TEST(Neighbours, that_overlap_are_one_and_what_they_share_stands_once) {
  const std::vector<Passage> passages{chunk(26, 74), chunk(0, 53), chunk(55, 93)};
  const auto joined = join_neighbours(passages);
  ASSERT_THAT(joined, SizeIs(1));
  EXPECT_EQ(joined[0].number, 1);
  EXPECT_THAT(joined[0].parts, ElementsAre(1, 0, 2));
  EXPECT_EQ(joined[0].text, slice(0, 93));
}

TEST(Neighbours, that_touch_are_one_with_white_space_between) {
  const auto joined = join_neighbours(std::vector<Passage>{chunk(55, 74), chunk(0, 53)});
  ASSERT_THAT(joined, SizeIs(1));
  EXPECT_EQ(joined[0].text, slice(0, 53) + "\n" + slice(55, 74));
  const auto next = join_neighbours(std::vector<Passage>{chunk(0, 20), chunk(20, 53)});
  ASSERT_THAT(next, SizeIs(1));
  EXPECT_EQ(next[0].text, slice(0, 53));
}

TEST(Neighbours, one_within_another_adds_nothing) {
  const auto joined = join_neighbours(std::vector<Passage>{chunk(26, 53), chunk(0, 74)});
  ASSERT_THAT(joined, SizeIs(1));
  EXPECT_EQ(joined[0].text, slice(0, 74));
  EXPECT_THAT(joined[0].parts, ElementsAre(1, 0));
}

TEST(Neighbours, keep_the_order_of_the_best_of_them) {
  const std::vector<Passage> passages{chunk(0, 53, "other"), chunk(55, 74), chunk(90, 110, "other"),
                                      chunk(0, 53)};
  const auto joined = join_neighbours(passages);
  ASSERT_THAT(joined, SizeIs(3));
  EXPECT_EQ(joined[0].number, 1);
  EXPECT_EQ(joined[1].number, 2);
  EXPECT_THAT(joined[1].parts, ElementsAre(3, 1));
  EXPECT_EQ(joined[2].number, 3);
}

TEST(Neighbours, of_another_page_revision_or_document_and_far_ones_stay_apart) {
  std::vector<Passage> passages(5, chunk(26, 74));
  passages[0] = chunk(0, 53);
  passages[1].page = 2;
  passages[2].revision = "r2";
  passages[3].document_id = "e";
  passages[4] = chunk(53 + kTouchingMax + 1, 93);
  EXPECT_THAT(join_neighbours(passages), SizeIs(5));
  passages[4] = chunk(53 + kTouchingMax, 93);
  EXPECT_THAT(join_neighbours(passages), SizeIs(4));
}

TEST(Neighbours, whose_text_and_span_disagree_are_not_joined) {
  std::vector<Passage> wrong_text{chunk(0, 53), chunk(26, 74)};
  wrong_text[1].text = std::string(wrong_text[1].text.size(), 'x');
  wrong_text[1].end = wrong_text[1].start + static_cast<std::int64_t>(wrong_text[1].text.size());
  EXPECT_THAT(join_neighbours(wrong_text), SizeIs(2));
  for (const std::size_t wrong : {0U, 1U}) {
    std::vector<Passage> wrong_span{chunk(0, 53), chunk(26, 74)};
    wrong_span[wrong].end = INT64_MAX - 100;
    const auto apart = join_neighbours(wrong_span);
    ASSERT_THAT(apart, SizeIs(2)) << wrong;
    EXPECT_EQ(apart[1].text, wrong_span[1].text);
  }
  EXPECT_THAT(join_neighbours(std::vector<Passage>{}), IsEmpty());
}

TEST(Neighbours, are_one_passage_of_the_prompt) {
  AnswerTask task{"Q", {chunk(26, 74), chunk(0, 53, "other"), chunk(0, 53)}};
  const Prompt prompt = make_prompt(task);
  EXPECT_THAT(prompt.user, HasSubstr("<passage number=\"1\" title=\"Title\">\n" + slice(0, 74)));
  EXPECT_THAT(prompt.user, HasSubstr("<passage number=\"2\""));
  EXPECT_THAT(prompt.user, Not(HasSubstr("<passage number=\"3\"")));
}

TEST(Neighbours, are_cited_where_the_sentence_stands) {
  std::vector<Passage> passages{chunk(26, 74), chunk(0, 53, "other"), chunk(0, 53)};
  passages[2].score = 0.75;
  const CitedText cited = resolve_citations(
      "Das Rad dreht sich träge [1]. Dann leert es sich [1]. Es fällt [3].", passages);
  ASSERT_THAT(cited.citations, SizeIs(2));  // there is no block 3
  EXPECT_EQ(cited.citations[0].number, 1);
  EXPECT_EQ(cited.citations[0].chunk_id, "c0");
  EXPECT_EQ(cited.citations[0].document_id, "d");
  EXPECT_EQ(cited.citations[0].quote, "Das Rad dreht sich träge.");
  EXPECT_EQ(cited.citations[1].chunk_id, "c26");
  EXPECT_EQ(cited.citations[1].quote, "Dann leert es sich.");
  for (const Citation& each : cited.citations) EXPECT_EQ(slice(each.start, each.end), each.quote);
  EXPECT_EQ(cited.relevance, 0.75);
}

}  // namespace
}  // namespace millrace
