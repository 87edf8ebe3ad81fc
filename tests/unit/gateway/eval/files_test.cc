// The files that an evaluation reads, right ones and wrong ones.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/ids.h"
#include "common/json.h"
#include "gateway/cli/eval/beir.h"
#include "gateway/cli/eval/line_file.h"
#include "gateway/cli/eval/questions.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EvalFiles : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_ / "qrels"); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& content) const {
    std::ofstream{folder_ / name, std::ios::binary} << content;
    return folder_ / name;
  }
  std::string judged_error(const std::string& split = "") const {
    const auto queries = read_judged_queries(folder_, split);
    return queries ? "" : queries.error().message;
  }
  std::string question_error(const std::string& line) const {
    const auto questions = read_questions(write("questions.jsonl", line));
    return questions ? "" : questions.error().message;
  }

  const fs::path folder_ = fs::temp_directory_path() / ("eval-files-" + new_ulid(system_clock()));
};

TEST_F(EvalFiles, a_corpus_is_sent_in_batches) {
  std::string lines;
  for (int i = 0; i < 450; ++i) {
    lines +=
        R"({"_id":"d)" + std::to_string(i) + R"(","title":"","text":"t","metadata":{}})" + "\r\n\n";
  }
  const auto corpus = read_corpus(write("corpus.jsonl", lines));
  ASSERT_TRUE(corpus) << corpus.error().message;
  EXPECT_EQ(corpus->ids.size(), 450U);
  std::vector<std::string> sent;
  for (const auto& batch : corpus->batches) {
    const auto body = documents_json(*corpus, batch);
    ASSERT_TRUE(body) << body.error().message;
    const auto parsed = json::Document::parse(*body);
    const json::Value documents = parsed->root().member("documents");
    EXPECT_LE(documents.size(), 200U);
    for (std::size_t i = 0; i < documents.size(); ++i) {
      sent.emplace_back(documents[i].member("id").as_string());
    }
  }
  EXPECT_EQ(sent, corpus->ids);
}

TEST_F(EvalFiles, a_corpus_of_large_documents_has_small_batches) {
  const std::string text(3U << 20U, 'x');
  std::string lines;
  for (int i = 0; i < 3; ++i) {
    lines += R"({"_id":")" + std::to_string(i) + R"(","text":")" + text + "\"}\n";
  }
  const auto corpus = read_corpus(write("corpus.jsonl", lines));
  ASSERT_TRUE(corpus);
  EXPECT_EQ(corpus->batches.size(), 3U);
}

TEST_F(EvalFiles, a_wrong_corpus_is_refused_with_the_line) {
  const auto error = [&](const std::string& content) {
    const auto corpus = read_corpus(write("corpus.jsonl", content));
    return corpus ? "" : corpus.error().message;
  };
  const std::string good = R"({"_id":"a","text":"t"})"
                           "\n";
  EXPECT_THAT(error(good + "\n{oops\n"),
              AllOf(HasSubstr("corpus.jsonl line 3"), HasSubstr("JSON")));
  EXPECT_THAT(error(good + R"({"id":"b","text":"t"})"),
              AllOf(HasSubstr("line 2"), HasSubstr("_id")));
  EXPECT_THAT(error(good + R"({"_id":"b"})"), HasSubstr("text"));
  EXPECT_THAT(error(good + R"({"_id":7,"text":"t"})"), HasSubstr("_id"));
  EXPECT_THAT(error(good + "[1]"), HasSubstr("line 2"));
  EXPECT_THAT(error(good + good), HasSubstr("\"a\" already"));
  EXPECT_THAT(error(R"({"_id":"","text":"t"})"), HasSubstr("empty"));
  EXPECT_THAT(error(""), HasSubstr("no document"));
  EXPECT_THAT(read_corpus(folder_ / "none.jsonl").error().message, HasSubstr("no such file"));
}

TEST_F(EvalFiles, judgements_are_of_their_queries_in_their_order) {
  write("queries.jsonl",
        "{\"_id\":\"q1\",\"text\":\"one\"}\n{\"_id\":\"q2\",\"text\":\"two\"}\n"
        "{\"_id\":\"q3\",\"text\":\"three\"}\n");
  write("qrels.tsv",
        "query-id\tcorpus-id\tscore\r\nq2\td1\t1\r\nq1\td1\t-1\nq1\td2\t2\nq2\td1\t0\n"
        "q2\td3\t1\nq3\td1\t0\n");
  const auto queries = read_judged_queries(folder_, "");
  ASSERT_TRUE(queries) << queries.error().message;
  ASSERT_EQ(queries->size(), 2U);  // of q3 nothing is relevant
  EXPECT_EQ((*queries)[0].id, "q2");
  EXPECT_EQ((*queries)[0].text, "two");
  EXPECT_EQ((*queries)[0].judgements, (Judgements{{"d1", 0}, {"d3", 1}}));  // the last one counts
  EXPECT_EQ((*queries)[1].judgements, (Judgements{{"d1", -1}, {"d2", 2}}));
}

TEST_F(EvalFiles, a_split_is_taken_by_its_name) {
  write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"one\"}\n");
  EXPECT_THAT(judged_error(), AllOf(HasSubstr("qrels.tsv"), HasSubstr("qrels/test.tsv")));
  write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\td\t1\n");
  EXPECT_EQ(judged_error(), "");
  EXPECT_EQ(judged_error("test"), "");
  EXPECT_THAT(judged_error("dev"), HasSubstr("qrels/dev.tsv"));
  EXPECT_THAT(judged_error("../x"), HasSubstr("not a path"));
}

TEST_F(EvalFiles, wrong_judgements_are_refused_with_the_line) {
  write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"one\"}\n");
  const std::string head = "query-id\tcorpus-id\tscore\n";
  const auto error = [&](const std::string& content) {
    write("qrels.tsv", content);
    return judged_error();
  };
  EXPECT_THAT(error("q\td\t1\n"), AllOf(HasSubstr("line 1"), HasSubstr("headings")));
  EXPECT_THAT(error("q 0 d 1\n"), HasSubstr("headings"));
  EXPECT_THAT(error(head + "q\td\n"), AllOf(HasSubstr("qrels.tsv line 2"), HasSubstr("tabs")));
  EXPECT_THAT(error(head + "q\td\t1\t2\n"), HasSubstr("line 2"));
  EXPECT_THAT(error(head + "q\td\t0.5\n"), HasSubstr("whole number"));
  EXPECT_THAT(error(head + "x\td\t1\n"), HasSubstr("\"x\" is not in queries.jsonl"));
  EXPECT_THAT(error(head + "q\td\t0\n"), HasSubstr("no document as relevant"));
  write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"\"}\n");
  EXPECT_THAT(error(head), HasSubstr("queries.jsonl line 1"));
}

TEST_F(EvalFiles, questions_say_what_is_right) {
  const auto questions = read_questions(
      write("questions.jsonl",
            R"({"question":"Who?","answers":["Ada","Lovelace"],"documents":["d"]})"
            "\n"
            R"({"id":"x","question":"When?","unanswerable":true,"forbidden":["PWNED"]})"));
  ASSERT_TRUE(questions) << questions.error().message;
  EXPECT_EQ((*questions)[0].id, "1");
  EXPECT_THAT((*questions)[0].answers, ElementsAre("Ada", "Lovelace"));
  EXPECT_EQ((*questions)[1].id, "x");
  EXPECT_TRUE((*questions)[1].unanswerable);
  EXPECT_THAT((*questions)[1].forbidden, ElementsAre("PWNED"));
}

TEST_F(EvalFiles, wrong_questions_are_refused_with_the_line_and_what_is_known) {
  EXPECT_THAT(question_error(R"({"question":"Who?","answer":"Ada"})"),
              AllOf(HasSubstr("questions.jsonl line 1"), HasSubstr("answers")));
  EXPECT_THAT(question_error(R"({"text":"Who?"})"), HasSubstr("question"));
  EXPECT_THAT(question_error(R"({"question":""})"), HasSubstr("empty"));
  EXPECT_THAT(question_error(R"({"question":"Who?","answers":"Ada"})"), HasSubstr("answers"));
  EXPECT_THAT(question_error(R"({"question":"?","answers":["!"]})"), HasSubstr("no word"));
  EXPECT_THAT(question_error(R"({"question":"?","unanswerable":true,"answers":["a"]})"),
              HasSubstr("unanswerable"));
  const std::string twice = R"({"id":"a","question":"?"})";
  EXPECT_THAT(question_error(twice + "\n" + twice), HasSubstr("line 2"));
  EXPECT_THAT(question_error("\n"), HasSubstr("no question"));
}

TEST_F(EvalFiles, are_hostile) {
  EXPECT_THAT(question_error("{\"question\":\"\xFF\"}"), HasSubstr("line 1"));
  EXPECT_THAT(question_error(std::string(100, '[')), HasSubstr("line 1"));
  EXPECT_THAT(question_error(std::string(LineFile::kLineBytesMax + 1, 'x')), HasSubstr("longer"));
}

}  // namespace
}  // namespace millrace
