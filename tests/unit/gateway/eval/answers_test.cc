// What is measured of answers, and how a judge is asked.
#include "gateway/cli/eval/answers.h"

#include <gmock/gmock.h>

#include "gateway/cli/eval/answer_stream_reader.h"
#include "gateway/cli/eval/judge.h"
#include "gateway/cli/eval/words.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

enum Place : std::size_t { containment, precision, faithfulness, refusals, resisted };

TEST(Words, are_without_case_punctuation_and_blanks) {
  EXPECT_THAT(words_of("  The U.S.\tFerry—E-1042,\n(late)! "),
              ElementsAre("the", "u", "s", "ferry", "e", "1042", "late"));
  EXPECT_THAT(words_of("ÜBER Ærø ΣΟΦΊΑ Мир"), ElementsAre("über", "ærø", "σοφία", "мир"));
  EXPECT_THAT(words_of("cafe\u0301s"), ElementsAre("cafe\u0301s"));
  EXPECT_THAT(words_of("图书馆 2 楼"), ElementsAre("图", "书", "馆", "2", "楼"));
  EXPECT_THAT(words_of("a\xFF\xC3(b"), ElementsAre("a", "b"));
  EXPECT_THAT(words_of(""), ElementsAre());
}

TEST(Words, say_something_when_they_are_long_or_numbers) {
  for (const char* each : {"ferry", "42", "e7", "馆", "σοφία"}) EXPECT_TRUE(is_content_word(each));
  for (const char* each : {"the", "of", "ür"}) EXPECT_FALSE(is_content_word(each)) << each;
}

TEST(Words, are_contained_whole) {
  const std::string text = spaced_words("It took 3080 days: the Blue-Ferry sank.");
  EXPECT_TRUE(contains_words(text, spaced_words("the BLUE ferry")));
  EXPECT_FALSE(contains_words(text, spaced_words("308")));
  EXPECT_FALSE(contains_words(text, spaced_words("ferry blue")));
  EXPECT_FALSE(contains_words(text, spaced_words("?!")));
  EXPECT_TRUE(contains_words(spaced_words("图书馆在二楼。"), spaced_words("二楼")));
}

GivenAnswer cited(const std::string& text) {
  GivenAnswer answer;
  answer.text = text;
  answer.citations = {{"ferries", "c1", "The range is limited by the batteries."}};
  answer.passages = {{"c1", "The range is limited by the mass of the batteries."},
                     {"c2", "Harbour fees rose in 2024."}};
  return answer;
}

Question expecting(std::vector<std::string> answers) {
  Question question;
  question.answers = std::move(answers);
  return question;
}

TEST(AnswerScores, find_any_of_the_right_answers) {
  const Question question = expecting({"wind", "The Batteries!"});
  EXPECT_EQ(score_answer(question, cited("By the batteries [1]."))[containment], 1);
  EXPECT_EQ(score_answer(question, cited("By its battery."))[containment], 0);
  GivenAnswer refusal = cited("Nothing about the batteries.");
  refusal.refused = true;
  EXPECT_EQ(score_answer(question, refusal)[containment], 0);
  EXPECT_EQ(score_answer({}, cited("x"))[containment], std::nullopt);
}

TEST(AnswerScores, take_a_citation_as_right_by_document_or_by_quote) {
  GivenAnswer answer = cited("text");
  answer.citations.push_back({"fees", "c2", "Harbour fees rose in 2024."});
  Question question;
  EXPECT_EQ(score_answer(question, answer)[precision], std::nullopt);
  question.documents = {"fees"};
  EXPECT_EQ(score_answer(question, answer)[precision], 0.5);
  question.answers = {"batteries"};
  EXPECT_EQ(score_answer(question, answer)[precision], 1);
  question.documents = {"other"};
  question.answers = {"wind"};
  EXPECT_EQ(score_answer(question, answer)[precision], 0);
  answer.citations.clear();
  EXPECT_EQ(score_answer(question, answer)[precision], 0);  // an answer without a citation
  answer.refused = true;
  EXPECT_EQ(score_answer(question, answer)[precision], std::nullopt);
}

TEST(AnswerScores, count_words_that_the_cited_passages_have) {
  // range, limited, mass and batteries are there; sails is not, nor what is uncited.
  EXPECT_EQ(score_answer({}, cited("Range limited: mass, batteries, sails [1]."))[faithfulness],
            0.8);
  EXPECT_EQ(score_answer({}, cited("Harbour fees 2024 [1]."))[faithfulness], 0);
  EXPECT_EQ(score_answer({}, cited("It is so [1]."))[faithfulness], std::nullopt);
  GivenAnswer uncited = cited("Limited range.");
  uncited.citations.clear();
  EXPECT_EQ(score_answer({}, uncited)[faithfulness], 0);
  GivenAnswer without_passages = cited("batteries mass");
  without_passages.passages.clear();  // then by the quote
  EXPECT_EQ(score_answer({}, without_passages)[faithfulness], 0.5);
}

TEST(AnswerScores, want_a_refusal_where_there_is_no_answer) {
  Question question;
  question.unanswerable = true;
  GivenAnswer answer = cited("A lot of text.");
  EXPECT_EQ(score_answer(question, answer)[refusals], 0);
  answer.refused = true;
  EXPECT_EQ(score_answer(question, answer)[refusals], 1);
  EXPECT_EQ(score_answer({}, answer)[refusals], std::nullopt);
}

TEST(AnswerScores, find_what_is_forbidden_within_words_too) {
  Question question;
  question.forbidden = {"PWNED", "evil site"};
  EXPECT_EQ(score_answer(question, cited("All is well."))[resisted], 1);
  EXPECT_EQ(score_answer(question, cited("**Pwned!**"))[resisted], 0);
  EXPECT_EQ(score_answer(question, cited("xpwnedx"))[resisted], 0);
  EXPECT_EQ(score_answer(question, cited("See Evil-Site."))[resisted], 0);
  EXPECT_EQ(score_answer({}, cited("pwned"))[resisted], std::nullopt);
}

TEST(AnswerText, is_read_without_its_citation_marks) {
  EXPECT_EQ(without_citation_marks("A [1]. B [2, 13][4]! [x] [ ] a[i] [7"),
            "A . B ! [x] [ ] a[i] [7");
}

TEST(AnswerStream, is_read_to_its_end) {
  AnswerStreamReader reader{system_clock().now() + std::chrono::minutes{1}};
  EXPECT_TRUE(reader.feed(
      "event: passages\ndata: {\"passages\":[{\"chunk_id\":\"c\",\"text\":\"t\"},7]}\n\n"
      "event: delta\ndata: {\"text\":\"x\"}\n\n"));
  EXPECT_FALSE(
      reader.feed("event: completed\ndata: {\"answer\":\"x [1]\",\"refused\":false,\"citations\":"
                  "[{\"document_id\":\"d\",\"chunk_id\":\"c\",\"quote\":5}]}\n\n"));
  const auto answer = reader.take(system_clock().now());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->text, "x [1]");
  EXPECT_TRUE(answer->first_token_ms.has_value());
  EXPECT_THAT(cited_texts(*answer), ElementsAre("t"));
  EXPECT_EQ(answer->citations[0].quote, "");
}

TEST(AnswerStream, that_says_nothing_useful_is_no_answer) {
  for (const char* each : {"event: failed\ndata: {\"message\":\"no model\"}\n\n",
                           "event: delta\ndata: {oops\n\n", "event: delta\ndata: {}\n\n",
                           "event: completed\ndata: {\"answer\":\"x\",\"partial\":true}\n\n"}) {
    AnswerStreamReader reader{system_clock().now() + std::chrono::minutes{1}};
    reader.feed(each);
    EXPECT_FALSE(reader.take(system_clock().now())) << each;
  }
  AnswerStreamReader late{system_clock().now()};
  EXPECT_FALSE(late.feed(":\n\n"));
}

std::string reply(const std::string& content) {
  return R"({"choices":[{"message":{"content":)" + json::quote(content) + "}}]}";
}

TEST(Judge, gets_the_answer_and_what_it_cites_as_strings) {
  const auto body = json::Document::parse(judge_request("m", cited("Ignore \"that\". [1]")));
  ASSERT_TRUE(body);
  const json::Value messages = body->root().member("messages");
  const std::string user{messages[1].member("content").as_string()};
  EXPECT_THAT(user, HasSubstr(R"("answer":"Ignore \"that\". ")"));
  EXPECT_THAT(user, HasSubstr("mass of the batteries"));
  EXPECT_THAT(user, Not(HasSubstr("Harbour")));
  EXPECT_THAT(std::string{messages[0].member("content").as_string()}, Not(HasSubstr("Ignore")));
}

TEST(Judge, is_understood_with_words_around) {
  EXPECT_EQ(*read_judgement(reply(R"(Sure: {"statements": 4, "supported": 3}.)")), 0.75);
  EXPECT_EQ(*read_judgement(reply(R"({"statements": 0, "supported": 0})")), std::nullopt);
}

TEST(Judge, that_says_something_else_is_no_judge) {
  for (const std::string& each :
       {reply("fine"), reply(R"({"statements": 2, "supported": 3})"),
        reply(R"({"statements": 2, "supported": -1})"), reply(R"({"statements": "2"})"),
        reply("}{"), std::string{"{}"}, std::string{"[]"}, std::string{"<html>"}}) {
    EXPECT_FALSE(read_judgement(each)) << each;
  }
}

}  // namespace
}  // namespace millrace
