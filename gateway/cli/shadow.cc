#include "gateway/cli/shadow.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <vector>

#include "gateway/cli/command.h"
#include "gateway/cli/eval/line_file.h"
#include "gateway/cli/index_line.h"

namespace millrace {
namespace {

constexpr std::size_t kQuestionsShown = 20;
constexpr std::size_t kQuestionsMax = 1'000;  // that the server takes
constexpr std::size_t kQuestionShownBytes = 60;

std::string check_share(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const bool number = error == std::errc{} && rest == end;
  return number && value >= 0 && value <= 1 ? "" : "must be a number from 0 to 1";
}

// A line is a question, or a JSON object with one as `question`; other members, as a file of
// `millrace eval` has them, are passed over.
Result<std::string> question_of(const LineFile& file, const std::string& line) {
  if (line.find_first_not_of(" \t\r") == std::string::npos || line.front() != '{') return line;
  const Result<json::Document> parsed = json::Document::parse(line);
  if (!parsed) return file.error(parsed.error().message);
  const json::Value question = parsed->root().member("question");
  if (!question.is_string()) return file.error("has no \"question\" that is a string");
  return std::string{question.as_string()};
}

Result<std::vector<std::string>> read_questions_of(const std::string& path) {
  Result<LineFile> file = LineFile::open(path);
  if (!file) return file.error();
  std::vector<std::string> questions;
  std::string line;
  for (;;) {
    const Result<bool> more = file->next(line);
    if (!more) return more.error();
    if (!*more) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    Result<std::string> question = question_of(*file, line);
    if (!question) return question.error();
    if (questions.size() == kQuestionsMax) {
      return file->error("has more than " + std::to_string(kQuestionsMax) + " questions");
    }
    questions.push_back(std::move(*question));
  }
  if (questions.empty()) return rejected(path + " has no question: write one on each line");
  return questions;
}

double number_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_number() ? value.as_double() : 0;
}

std::string rank_text(std::int64_t rank) { return rank == 0 ? "-" : std::to_string(rank); }

std::string shortened(std::string text) {
  if (text.size() <= kQuestionShownBytes) return text;
  std::size_t end = kQuestionShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

void print_question(json::Value each) {
  std::string cited;
  const json::Value ranks = each.member("cited");
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    cited += " " + rank_text(count_of(ranks[i], "rank_serving")) + ">" +
             rank_text(count_of(ranks[i], "rank_shadow"));
  }
  const json::Value question = each.member("question");
  std::printf("%8.4f %8.4f  %-12s %s\n", number_of(each, "overlap"), number_of(each, "ndcg"),
              cited.empty() ? "" : cited.substr(1).c_str(),
              question.is_string() ? shortened(printable(question.as_string())).c_str() : "");
}

void print_answers(json::Value answers) {
  if (!answers.exists()) return;
  std::printf(
      "answers: %lld of %lld the same, %.4f of the citations shared, %lld refused before, "
      "%lld now\n",
      static_cast<long long>(count_of(answers, "same")),
      static_cast<long long>(count_of(answers, "compared")), number_of(answers, "shared_citations"),
      static_cast<long long>(count_of(answers, "refused_serving")),
      static_cast<long long>(count_of(answers, "refused_shadow")));
}

}  // namespace

void add_shadow_options(CLI::App& command, ShadowOptions& options) {
  command.add_option("--questions", options.questions,
                     "File of questions, one on each line or as JSON lines with \"question\"; "
                     "without it the newest that people asked of the collection");
  command.add_option("--limit", options.limit, "How many of these at most; 0: 100")
      ->check(CLI::Range(0, static_cast<int>(kQuestionsMax)));
  command.add_flag("--answers", options.answers, "Compare answers too, which takes far longer");
  command
      .add_option("--min-overlap", options.min_overlap,
                  "Share of the serving generation's passages that must be found again, 0 to 1")
      ->check(check_share);
  command
      .add_option("--min-ndcg", options.min_ndcg,
                  "nDCG that its rankings must reach, 0 to 1, against what people's answers cited")
      ->check(check_share);
}

Status write_members(json::Writer& out, const ShadowOptions& options) {
  if (!options.questions.empty()) {
    const auto questions = read_questions_of(options.questions);
    if (!questions) return questions.error();
    out.strings("questions", *questions);
  }
  if (options.limit != 0) out.field("limit", options.limit);
  if (options.answers) out.field("answers", true);
  if (options.min_overlap) out.field("min_overlap", *options.min_overlap);
  if (options.min_ndcg) out.field("min_ndcg", *options.min_ndcg);
  return {};
}

void print_shadow(json::Value report) {
  std::printf("generation %lld beside %lld, which answers: %lld questions of %s\n",
              static_cast<long long>(count_of(report, "generation")),
              static_cast<long long>(count_of(report, "serving")),
              static_cast<long long>(count_of(report, "compared")),
              report.member("source").as_string() == "transcripts" ? "people" : "the file");
  const json::Value questions = report.member("questions");
  std::vector<json::Value> worst;
  for (std::size_t i = 0; i < questions.size(); ++i) worst.push_back(questions[i]);
  std::ranges::stable_sort(worst, [](const json::Value& a, const json::Value& b) {
    return number_of(a, "overlap") + number_of(a, "ndcg") <
           number_of(b, "overlap") + number_of(b, "ndcg");
  });
  std::printf("%8s %8s  %-12s %s\n", "overlap", "ndcg", "cited ranks", "question");
  for (std::size_t i = 0; i < std::min(worst.size(), kQuestionsShown); ++i) {
    print_question(worst[i]);
  }
  if (worst.size() > kQuestionsShown) {
    std::printf("… and %zu that lose no more than these; --json has all\n",
                worst.size() - kQuestionsShown);
  }
  std::printf("%8.4f %8.4f  mean; the serving generation's ndcg is %.4f\n",
              number_of(report, "overlap"), number_of(report, "ndcg"),
              number_of(report, "ndcg_serving"));
  print_answers(report.member("answers"));
  const json::Value checks = report.member("checks");
  for (std::size_t i = 0; i < checks.size(); ++i) {
    std::printf("%s %s %.4f, at least %.4f is wanted\n",
                checks[i].member("passed").as_bool() ? "ok     " : "REFUSED",
                printable(checks[i].member("figure").as_string()).c_str(),
                number_of(checks[i], "value"), number_of(checks[i], "least"));
  }
  std::fflush(stdout);
}

}  // namespace millrace
