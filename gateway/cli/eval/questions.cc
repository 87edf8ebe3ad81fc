#include "gateway/cli/eval/questions.h"

#include <unordered_set>

#include "gateway/cli/eval/line_file.h"
#include "gateway/cli/eval/words.h"

namespace millrace {
namespace {

// What is compared by words must have some.
Status check_words(const std::vector<std::string>& values, const char* member) {
  for (const std::string& each : values) {
    if (words_of(each).empty()) {
      return rejected(std::string{"\""} + member + "\" has \"" + each +
                      "\", in which there is no word");
    }
  }
  return {};
}

Status check(const Question& question) {
  if (question.text.empty()) return rejected("\"question\" is empty");
  if (question.unanswerable && !question.answers.empty()) {
    return rejected("an unanswerable question has no \"answers\"");
  }
  if (Status status = check_words(question.answers, "answers"); !status) return status;
  return check_words(question.forbidden, "forbidden");
}

Result<Question> read_question(json::Value value, std::size_t line) {
  Question question;
  question.id = std::to_string(line);
  json::ObjectReader in{value, "question"};
  in.optional("id", question.id);
  in.required("question", question.text);
  in.optional("answers", question.answers);
  in.optional("unanswerable", question.unanswerable);
  in.optional("forbidden", question.forbidden);
  in.optional("documents", question.documents);
  if (Status status = in.finish(); !status) return status.error();
  if (Status status = check(question); !status) return status.error();
  return question;
}

}  // namespace

Result<std::vector<Question>> read_questions(const std::filesystem::path& path) {
  Result<LineFile> file = LineFile::open(path);
  if (!file) return file.error();
  std::vector<Question> questions;
  std::unordered_set<std::string> ids;
  for (;;) {
    auto next = next_json(*file);
    if (!next) return next.error();
    if (!*next) break;
    Result<Question> question = read_question((*next)->root(), file->number());
    if (!question) return file->error(question.error().message);
    if (!ids.insert(question->id).second) {
      return file->error("there is a question \"" + question->id + "\" already");
    }
    questions.push_back(*std::move(question));
  }
  if (questions.empty()) return rejected(path.string() + ": has no question");
  return questions;
}

}  // namespace millrace
