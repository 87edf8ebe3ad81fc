#include "workers/answerer/extractive_model.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "tests/support/fake_embedding_model.h"
#include "tests/unit/answerer/answerer_fixture.h"
#include "workers/answerer/evidence.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class ExtractiveModelTest : public ::testing::Test {
 protected:
  AnswerDraft extract(const AnswerTask& task) {
    const auto draft = ExtractiveModel{embedding, options}.extract(task);
    EXPECT_TRUE(draft) << draft.error().message;
    return draft ? *draft : AnswerDraft{};
  }

  AnswerTask boiling{
      "When does water boil?",
      {passage("a", 0.8,
               "Kettles are made of steel. Water does boil when at 100 degrees. Ice floats."),
       passage("b", 0.6, "Über Münzen: sie sind rund. When water does boil, steam rises — 蒸気.")}};
  FakeEmbeddingModel embedding{256};
  ExtractiveOptions options;
};

TEST_F(ExtractiveModelTest, quotes_the_sentences_that_answer_with_exact_spans) {
  boiling.passages[0].start = 100;
  boiling.passages[1].start = 5;
  const AnswerDraft draft = extract(boiling);
  EXPECT_FALSE(draft.refused);
  EXPECT_THAT(draft.text, HasSubstr("Water does boil when at 100 degrees. [1]"));
  ASSERT_FALSE(draft.citations.empty());
  for (const Citation& citation : draft.citations) {
    const Passage& from = boiling.passages[static_cast<std::size_t>(citation.number) - 1];
    const CodePointIndex index{from.text};
    EXPECT_EQ(index.slice(citation.start - from.start, citation.end - from.start), citation.quote);
    EXPECT_THAT(draft.text, HasSubstr(citation.quote + " [" + std::to_string(citation.number)));
    EXPECT_EQ(citation.revision, "r1");
  }
  EXPECT_GT(draft.confidence, 0.2);
  EXPECT_LE(draft.confidence, 1.0);
}

TEST_F(ExtractiveModelTest, refuses_when_the_evidence_is_weak) {
  boiling.question = "Wer regierte Frankreich?";
  const AnswerDraft draft = extract(boiling);
  EXPECT_TRUE(draft.refused);
  EXPECT_EQ(draft.text, kRefusal);
  EXPECT_THAT(draft.citations, IsEmpty());
  EXPECT_TRUE(draft.needs_human_review);
  EXPECT_LT(draft.confidence, 0.2);
}

TEST_F(ExtractiveModelTest, refuses_without_passages_or_words) {
  EXPECT_TRUE(extract({"Anything?", {}}).refused);
  EXPECT_TRUE(extract({"Anything?", {passage("a", 0.9, " \n ")}}).refused);
  EXPECT_THAT(embedding.calls(), IsEmpty());
}

TEST_F(ExtractiveModelTest, embeds_no_more_than_its_bounds_in_one_call_of_the_query_lane) {
  for (int i = 0; i < 6; ++i) {
    std::string text;
    for (int j = 0; j < 20; ++j) {
      text += "Water in vessel " + std::to_string(100 * i + j) + std::string(400, 'x') + " boils. ";
    }
    boiling.passages.push_back(passage("c" + std::to_string(i), 0.5, text));
  }
  extract(boiling);
  ASSERT_THAT(embedding.calls(), SizeIs(1));
  const auto call = embedding.calls()[0];
  EXPECT_EQ(call.lane, EmbeddingModel::Lane::query);
  EXPECT_THAT(call.texts, SizeIs(Le(options.embedded_max + 1)));
  for (const std::string& text : call.texts) EXPECT_LE(text.size(), options.embedded_bytes);
}

TEST_F(ExtractiveModelTest, says_a_sentence_once_that_overlapping_chunks_share) {
  boiling.passages.push_back(boiling.passages[0]);
  boiling.passages.back().chunk_id = "overlap";
  const AnswerDraft draft = extract(boiling);
  const auto first = draft.text.find("100 degrees");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(draft.text.find("100 degrees", first + 1), std::string::npos);
}

TEST_F(ExtractiveModelTest, keeps_a_passages_sentences_in_their_order) {
  boiling.passages = {passage("a", 0.8,
                              "Water does boil when pressure drops low. In between stands this. "
                              "When does water boil? It does boil when hot.")};
  options.sentences_max = 3;
  const AnswerDraft draft = extract(boiling);
  for (std::size_t i = 1; i < draft.citations.size(); ++i) {
    EXPECT_LT(draft.citations[i - 1].start, draft.citations[i].start);
  }
}

TEST_F(ExtractiveModelTest, puts_a_sentence_of_several_lines_on_one) {
  boiling.passages = {passage("a", 0.8, "Water does boil when\nat 100\tdegrees.")};
  const AnswerDraft draft = extract(boiling);
  EXPECT_EQ(draft.text, "Water does boil when at 100 degrees. [1]");
  EXPECT_EQ(draft.citations.at(0).quote, "Water does boil when\nat 100\tdegrees.");
}

TEST_F(ExtractiveModelTest, answers_with_what_stands_below_a_heading_that_asks_the_same) {
  for (const char* heading : {"When does water boil", "When does water boil?"}) {
    boiling.passages = {passage(
        "a", 0.8, std::string{heading} + "\n\nAt 100 degrees, near the sea.\n\nIce floats.")};
    EXPECT_EQ(extract(boiling).text, "At 100 degrees, near the sea. [1] Ice floats. [1]");
  }
  boiling.question = "Does water boil at 100 degrees?";
  boiling.passages = {passage("a", 0.8, "Water does boil at 100 degrees. Ice floats.")};
  EXPECT_THAT(extract(boiling).text, HasSubstr("Water does boil at 100 degrees. [1]"));
}

TEST_F(ExtractiveModelTest, streams_deltas_that_make_up_its_text) {
  ExtractiveModel model{embedding, options};
  boost::asio::io_context io{1};
  std::string streamed;
  int deltas = 0;
  std::optional<Result<AnswerDraft>> draft;
  boost::asio::co_spawn(io,
                        model.answer(boiling,
                                     [&](std::string_view text) {
                                       streamed += text;
                                       ++deltas;
                                       return true;
                                     }),
                        [&](const std::exception_ptr&, Result<AnswerDraft> made) { draft = made; });
  io.run();
  ASSERT_TRUE(draft && *draft);
  EXPECT_EQ(streamed, (*draft)->text);
  EXPECT_GT(deltas, 1);
}

TEST_F(ExtractiveModelTest, passes_on_that_the_embedding_model_is_down) {
  embedding.fail(unavailable("the encoder is gone"));
  const auto draft = ExtractiveModel{embedding, options}.extract(boiling);
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(draft.error().message, HasSubstr("the encoder is gone"));
}

}  // namespace
}  // namespace millrace
