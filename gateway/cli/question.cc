#include "gateway/cli/question.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

#include "gateway/cli/command.h"

namespace millrace {
namespace {

// What CLI11 asks of a check: empty, or what is wrong.
std::string check_filter(const std::string& text) {
  constexpr const char* kExample = R"(; write it as --filter '{"year": {"gte": 2020}}')";
  const Result<json::Document> parsed = json::Document::parse(text);
  if (!parsed) return "is not valid JSON: " + parsed.error().message + kExample;
  return parsed->root().is_object() ? "" : std::string{"is not a JSON object"} + kExample;
}

std::string check_diversity(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const bool number = error == std::errc{} && rest == end;
  return number && value >= 0 && value <= 1 ? "" : "must be a number from 0 to 1";
}

double number_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_number() ? value.as_double() : 0;
}

std::string format(const char* pattern, double number) {
  char text[32];
  std::snprintf(text, sizeof text, pattern, number);
  return text;
}

// "0.41 x dense 0.803 (cosine 0.803) + 0.59 x lexical 0.652 (BM25 14.20)"
std::string explanation_text(json::Value explanation) {
  const auto part = [&](const char* weight, const char* leg, const char* raw, const char* shown) {
    std::string text = format("%.2f x ", number_of(explanation, weight)) + leg +
                       format(" %.3f", number_of(explanation, leg));
    if (explanation.member(raw).is_number()) text += format(shown, number_of(explanation, raw));
    return text;
  };
  return part("dense_weight", "dense", "cosine", " (cosine %.3f)") + " + " +
         part("lexical_weight", "lexical", "bm25", " (BM25 %.2f)");
}

// ", re-ranked by 0.934" or ", not re-ranked: timeout"
std::string rerank_text(json::Value explanation) {
  const json::Value failure = explanation.member("rerank_failure");
  if (failure.is_string()) return ", not re-ranked: " + printable(failure.as_string());
  if (!explanation.member("rerank").is_number()) return {};
  return ", re-ranked by" + format(" %.3f", number_of(explanation, "rerank"));
}

}  // namespace

void add_question_options(CLI::App& command, QuestionOptions& options) {
  command
      .add_option("--mode", options.mode,
                  "find by meaning (dense), by words (lexical) or both (hybrid)")
      ->check(CLI::IsMember({"hybrid", "dense", "lexical"}))
      ->capture_default_str();
  command
      .add_option("--filter", options.filter,
                  "only documents whose metadata match, as JSON: '{\"lang\": \"en\", \"year\": "
                  "{\"gte\": 2020}}'; operators eq ne lt lte gt gte in exists, and or not around "
                  "filters")
      ->check(check_filter)
      ->type_name("JSON");
  command.add_flag("--one-per-document", options.one_per_document,
                   "the best passage of each document only");
  command
      .add_option("--diversity", options.diversity,
                  "0 to 1: what a passage loses that is like those before it")
      ->check(check_diversity)
      ->capture_default_str();
  command.add_flag("--explain", options.explain, "show how each passage's score came about");
}

void write_members(json::Writer& out, const QuestionOptions& options) {
  out.field("mode", options.mode);
  if (!options.filter.empty()) out.key("filter").raw(options.filter);  // check_filter() saw it
  if (options.one_per_document) out.field("one_per_document", true);
  if (options.diversity > 0) out.field("diversity", options.diversity);
  if (options.explain) out.field("explain", true);
}

std::string passage_heading(std::size_t number, json::Value passage) {
  const auto text_of = [&](std::string_view name) {
    const json::Value value = passage.member(name);
    return value.is_string() ? printable(value.as_string()) : std::string{};
  };
  std::string heading = std::to_string(number) + ". ";
  const std::string title = text_of("title");
  heading += title.empty() ? text_of("document_id") : title;
  const json::Value page = passage.member("page");
  if (page.is_integer()) heading += ", page " + std::to_string(page.as_integer());
  const std::string score = format("%.3f", number_of(passage, "score"));
  heading += "  (score " + score + ")";
  const json::Value explanation = passage.member("explanation");
  if (explanation.is_object()) {
    heading += "\n   " + score + " = " + explanation_text(explanation) + rerank_text(explanation);
  }
  return heading;
}

}  // namespace millrace
