#include "gateway/cli/eval/report.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "common/json.h"
#include "common/utf8.h"
#include "gateway/cli/command.h"
#include "gateway/cli/eval/retrieval.h"

namespace millrace {
namespace {

constexpr std::size_t kFailuresShown = 20;

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char each : replace_invalid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(each);
    if (each == '&') {
      out += "&amp;";
    } else if (each == '<') {
      out += "&lt;";
    } else if (each == '>') {
      out += "&gt;";
    } else if (each == '"') {
      out += "&quot;";
    } else {
      out += byte < 0x20 || byte == 0x7f ? '?' : each;
    }
  }
  return out;
}

void print_retrieval(const Report& report, std::ostream& out) {
  out << '\n' << format("%-10s", "mode");
  for (const std::string_view name : kRetrievalFigures)
    out << format(" %10.*s", static_cast<int>(name.size()), name.data());
  out << "     p50 ms     p99 ms\n";
  for (const std::string_view mode : kSearchModes) {
    const std::string prefix = std::string{mode} + ".";
    const auto timed = std::ranges::find(report.latencies, prefix + "search", &Latency::name);
    if (timed == report.latencies.end()) continue;
    out << format("%-10s", std::string{mode}.c_str());
    for (const std::string_view name : kRetrievalFigures) {
      const auto figure =
          std::ranges::find(report.figures, prefix + std::string{name}, &Figure::name);
      if (figure != report.figures.end()) out << format(" %10.4f", figure->value);
    }
    out << format(" %10.1f %10.1f\n", timed->p50_ms, timed->p99_ms);
  }
}

void print_answers(const Report& report, std::ostream& out) {
  out << '\n' << format("%-20s %10s %10s\n", "answers", "mean", "questions");
  for (const std::string_view name : kAnswerFigures) {
    const auto figure = std::ranges::find(report.figures, name, &Figure::name);
    if (figure == report.figures.end()) continue;
    out << format("%-20s %10.4f %10zu\n", figure->name.c_str(), figure->value, figure->cases);
  }
  const auto timed = std::ranges::find(report.latencies, "first_token", &Latency::name);
  if (timed != report.latencies.end()) {
    out << format("first token: p50 %.1f ms, p99 %.1f ms\n", timed->p50_ms, timed->p99_ms);
  }
}

void write_figures(json::Writer& out, const Report& report) {
  out.key("figures").begin_object();
  for (const Figure& each : report.figures) out.field(each.name, each.value);
  out.end_object().key("cases").begin_object();
  for (const Figure& each : report.figures) out.field(each.name, each.cases);
  out.end_object().key("latencies_ms").begin_object();
  for (const Latency& each : report.latencies) {
    out.key(each.name).begin_object().field("p50", each.p50_ms).field("p99", each.p99_ms);
    out.end_object();
  }
  out.end_object();
}

std::string test_case(const std::string& name, const std::string& failure) {
  const std::string head = R"(  <testcase classname="millrace.eval" name=")" + xml(name) + "\"";
  if (failure.empty()) return head + "/>\n";
  return head + ">\n    <failure message=\"" + xml(failure) + "\"/>\n  </testcase>\n";
}

std::string documents_failure(const Report& report) {
  if (report.failed_documents.empty()) return {};
  std::string out = std::to_string(report.failed_documents.size()) + " documents failed";
  const std::size_t shown = std::min(report.failed_documents.size(), kFailuresShown);
  for (std::size_t i = 0; i < shown; ++i) out += "; " + report.failed_documents[i];
  return out;
}

}  // namespace

bool Report::passed() const {
  return failed_documents.empty() && std::ranges::all_of(checks, &Check::passed);
}

void print_report(const Report& report, std::ostream& out) {
  out << printable(report.input) << ":";
  if (report.documents != 0) out << ' ' << report.documents << " documents,";
  out << ' ' << report.queries << " queries, " << report.questions << " questions\n";
  if (report.queries != 0) print_retrieval(report, out);
  if (report.questions != 0) print_answers(report, out);
  if (!report.checks.empty()) out << '\n';
  for (const Check& each : report.checks) {
    out << (each.passed ? "ok      " : "BELOW   ") << printable(describe(each)) << '\n';
  }
  for (const std::string& each : report.failed_documents) {
    out << "failed  " << printable(each) << '\n';
  }
  out.flush();
}

std::string report_json(const Report& report) {
  json::Writer out;
  out.begin_object().field("input", report.input).field("passed", report.passed());
  if (!report.collection.empty()) out.field("collection", report.collection);
  out.field("documents", report.documents)
      .field("queries", report.queries)
      .field("questions", report.questions);
  write_figures(out, report);
  out.key("checks").begin_array();
  for (const Check& each : report.checks) {
    out.begin_object().field("figure", each.threshold.figure);
    if (each.value) out.field("value", *each.value);
    out.field("least", each.threshold.least)
        .field("origin", each.threshold.origin)
        .field("passed", each.passed)
        .end_object();
  }
  out.end_array().strings("failed_documents", report.failed_documents);
  return out.end_object().take() + "\n";
}

std::string report_junit(const Report& report) {
  std::string cases = test_case("every document is searchable", documents_failure(report));
  auto failures = static_cast<std::size_t>(report.failed_documents.empty() ? 0 : 1);
  for (const Check& each : report.checks) {
    if (!each.passed) ++failures;
    cases += test_case(each.threshold.figure + format(" at least %.4f (", each.threshold.least) +
                           each.threshold.origin + ")",
                       each.passed ? "" : describe(each));
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"millrace eval " +
         xml(report.input) + "\" tests=\"" + std::to_string(report.checks.size() + 1) +
         "\" failures=\"" + std::to_string(failures) + "\">\n" + cases + "</testsuite>\n";
}

}  // namespace millrace
