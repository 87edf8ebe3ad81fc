// What `millrace search` and `millrace ask` make of their flags and print of passages.
#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gateway/cli/index_line.h"
#include "gateway/cli/letter_text.h"
#include "gateway/cli/question.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

// The request's members, or nothing where the flags are refused.
std::optional<std::string> request_of(std::vector<std::string> flags, std::string* why = nullptr) {
  CLI::App app;
  QuestionOptions options;
  add_question_options(app, options);
  std::reverse(flags.begin(), flags.end());  // as CLI11 takes them
  try {
    app.parse(std::move(flags));
  } catch (const CLI::ParseError& error) {
    if (why != nullptr) *why = error.what();
    return std::nullopt;
  }
  json::Writer out;
  out.begin_object();
  write_members(out, options);
  return out.end_object().take();
}

TEST(QuestionFlags, become_members_of_the_request) {
  EXPECT_EQ(request_of({}), R"({"mode":"hybrid"})");
  EXPECT_EQ(request_of({"--mode", "lexical", "--filter", R"({"year": {"gte": 2020}})",
                        "--one-per-document", "--diversity", "0.5", "--explain"}),
            R"({"mode":"lexical","filter":{"year": {"gte": 2020}},"one_per_document":true,)"
            R"("diversity":0.5,"explain":true})");
}

TEST(QuestionFlags, are_refused_with_what_would_be_right) {
  std::string why;
  EXPECT_FALSE(request_of({"--filter", "year>2020"}, &why));
  EXPECT_THAT(why, HasSubstr("is not valid JSON"));
  EXPECT_THAT(why, HasSubstr(R"(--filter '{"year": {"gte": 2020}}')"));
  EXPECT_FALSE(request_of({"--filter", R"({"a":1},"top_k":100)"}, &why));
  EXPECT_FALSE(request_of({"--filter", "[1]"}, &why));
  EXPECT_THAT(why, HasSubstr("is not a JSON object"));
  EXPECT_FALSE(request_of({"--mode", "psychic"}, &why));
  EXPECT_THAT(why, HasSubstr("lexical"));
  for (const char* wrong : {"1.5", "-0.1", "nan", "much", "0.5x", ""}) {
    EXPECT_FALSE(request_of({"--diversity=" + std::string{wrong}}, &why)) << wrong;
  }
}

std::string heading_of(const std::string& passage) {
  const auto parsed = json::Document::parse(passage);
  return passage_heading(2, parsed->root());
}

TEST(PassageHeading, shows_where_a_score_comes_from) {
  EXPECT_EQ(heading_of(R"({"title":"Mills","page":3,"score":0.75})"),
            "2. Mills, page 3  (score 0.750)");
  const std::string legs =
      R"({"document_id":"d","title":"","score":0.74,"explanation":{"dense":0.8,"lexical":0.7,)"
      R"("dense_weight":0.4,"lexical_weight":0.6)";
  EXPECT_EQ(heading_of(legs + R"(,"cosine":0.81,"bm25":14.25}})"),
            "2. d  (score 0.740)\n   0.740 = 0.40 x dense 0.800 (cosine 0.810) + 0.60 x lexical "
            "0.700 (BM25 14.25)");
  EXPECT_EQ(heading_of(legs + "}}"),
            "2. d  (score 0.740)\n   0.740 = 0.40 x dense 0.800 + 0.60 x lexical 0.700");
  EXPECT_EQ(heading_of(legs + R"(,"rerank":-1.5}})"),
            "2. d  (score 0.740)\n   0.740 = 0.40 x dense 0.800 + 0.60 x lexical 0.700, re-ranked "
            "by -1.500");
  EXPECT_EQ(heading_of(legs + R"(,"rerank_failure":"timeout"}})"),
            "2. d  (score 0.740)\n   0.740 = 0.40 x dense 0.800 + 0.60 x lexical 0.700, not "
            "re-ranked: timeout");
}

TEST(PassageHeading, trusts_nothing_that_the_server_says) {
  EXPECT_EQ(heading_of("{}"), "2.   (score 0.000)");
  EXPECT_EQ(heading_of("[7]"), "2.   (score 0.000)");
  EXPECT_EQ(heading_of(R"({"title":"a\u001b[2J","page":"x","score":"1","explanation":[]})"),
            "2. a?[2J  (score 0.000)");
}

std::string line_of(const std::string& index) {
  const auto parsed = json::Document::parse(index);
  return index_line(parsed->root().member("index"));
}

TEST(IndexLine, says_how_the_index_stands) {
  EXPECT_EQ(line_of(R"({"index":{"documents":12,"chunks":340,"segments":4,"disk_bytes":1500000,)"
                    R"("memory_bytes":999,"merges":1}})"),
            "index: 340 chunks of 12 documents in 4 segments, 1.5 MB on disk, 999 bytes in memory, "
            "1 merge");
}

TEST(IndexLine, is_empty_where_the_server_does_not_tell) {
  EXPECT_EQ(line_of(R"({"documents":1})"), "");
  EXPECT_EQ(line_of(R"({"index":7})"), "");
}

TEST(IndexLine, has_bytes_in_units_that_people_read) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(1), "1 byte");
  EXPECT_EQ(bytes_text(1'000), "1.0 kB");
  EXPECT_EQ(bytes_text(2'345'678'901), "2.3 GB");
  EXPECT_EQ(bytes_text(INT64_MAX), "9223.4 PB");
}

TEST(LetterConditions, become_a_query_or_a_body) {
  LetterConditions conditions;
  EXPECT_TRUE(is_empty(conditions));
  EXPECT_EQ(as_query(conditions), "");
  conditions.stage = "extractor";
  conditions.document = "a b/&c";
  EXPECT_FALSE(is_empty(conditions));
  EXPECT_EQ(as_query(conditions), "&stage=extractor&document=a%20b%2F%26c");
  EXPECT_EQ(as_body(conditions, ""), R"({"stage":"extractor","document":"a b/&c"})");
  LetterConditions all;
  all.all = true;
  EXPECT_FALSE(is_empty(all));
  EXPECT_EQ(as_body(all, "1~a~0~1"), R"({"all":true,"cursor":"1~a~0~1"})");
}

std::string text_of(std::string (*show)(json::Value), const std::string& letter) {
  const auto parsed = json::Document::parse(letter);
  return show(parsed->root());
}

TEST(LetterText, tells_what_failed_where_and_why) {
  const std::string letter =
      R"({"id":"documents~0~1","state":"redriven","stage":"extractor","kind":"rejected",)"
      R"("message":"too\nlarge","attempts":2,"at":"2026-11-22T13:00:00.000Z","bytes":12,)"
      R"("collection":"default","document_id":"d","key":"default/d","trace_id":"t",)"
      R"("headers":[{"name":"source","value":"s"},{"name":"odd","value_base64":"//4="}],)"
      R"("history":["documents~0~0"],"redriven":{"at":"then","by":"ops","revision":"r"}})";
  EXPECT_EQ(text_of(letter_lines, letter),
            "2026-11-22T13:00:00.000Z  documents~0~1  extractor  redriven  default/d\n"
            "    rejected: too large");
  const std::string details = text_of(letter_details, letter);
  EXPECT_THAT(details, HasSubstr("message       too large\n"));
  EXPECT_THAT(details, HasSubstr("header        odd: //4=\n"));
  EXPECT_THAT(details, HasSubstr("redriven      then by ops as revision r\n"));
  EXPECT_THAT(details, HasSubstr("came of       documents~0~0\n"));
}

TEST(LetterText, trusts_nothing_that_the_server_says) {
  for (const char* wrong : {"{}", "[]", "7", R"({"headers":7,"history":[7],"redriven":[]})"}) {
    EXPECT_NE(text_of(letter_lines, wrong), "") << wrong;
    EXPECT_NE(text_of(letter_details, wrong), "") << wrong;
    EXPECT_NE(text_of(skipped_line, wrong), "") << wrong;
  }
  const std::string hostile = R"({"id":"\u001b[2J","message":"a\u0007\nb"})";
  EXPECT_EQ(text_of(letter_lines, hostile), "  ?[2J    \n    : a? b");
}

}  // namespace
}  // namespace millrace
