#include "gateway/shadow.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace millrace {
namespace {

// Of adding up in another order; far below what one question of a thousand makes.
constexpr double kRounding = 1e-9;

double discount(std::size_t rank) { return 1.0 / std::log2(static_cast<double>(rank) + 1); }

struct Relevant {
  Passage passage;
  double gain = 1;
};

std::vector<Relevant> relevant_of(const std::vector<Passage>& serving,
                                  const std::vector<Passage>& cited) {
  std::vector<Relevant> out;
  for (const Passage& each : cited) out.push_back({each, 1});
  if (!out.empty()) return out;
  for (std::size_t i = 0; i < serving.size(); ++i) {
    out.push_back({serving[i], static_cast<double>(serving.size() - i)});
  }
  return out;
}

// Each relevant passage counts once, at the first place that overlaps it.
double dcg(const std::vector<Passage>& ranking, std::vector<Relevant> relevant) {
  double sum = 0;
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    const auto found = std::ranges::find_if(relevant, [&](const Relevant& each) {
      return overlapping({each.passage}, ranking[i]) == 0;
    });
    if (found == relevant.end()) continue;
    sum += found->gain * discount(i + 1);
    relevant.erase(found);
  }
  return sum;
}

double ndcg(const std::vector<Passage>& ranking, const std::vector<Relevant>& relevant) {
  if (relevant.empty()) return 1;  // nothing to be found, so nothing is missing
  std::vector<double> gains;
  for (const Relevant& each : relevant) gains.push_back(each.gain);
  std::ranges::sort(gains, std::greater{});
  double ideal = 0;
  for (std::size_t i = 0; i < gains.size(); ++i) ideal += gains[i] * discount(i + 1);
  return dcg(ranking, relevant) / ideal;
}

std::size_t rank_in(const std::vector<Passage>& ranking, const Passage& passage) {
  return static_cast<std::size_t>(overlapping(ranking, passage) + 1);
}

ShadowCheck check(std::string figure, double value, double least, bool measured) {
  return {std::move(figure), value, least, measured && value >= least - kRounding};
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

void write_json(json::Writer& out, const ShadowQuestion& question) {
  out.begin_object().field("question", question.question);
  if (!question.query_id.empty()) out.field("query_id", question.query_id);
  out.field("overlap", question.overlap)
      .field("ndcg", question.ndcg)
      .field("ndcg_serving", question.ndcg_serving);
  out.key("cited").begin_array();
  for (const CitedRank& each : question.cited) {
    out.begin_object()
        .field("document_id", each.document_id)
        .field("start", each.start)
        .field("end", each.end);
    if (each.rank_serving != 0) out.field("rank_serving", each.rank_serving);
    if (each.rank_shadow != 0) out.field("rank_shadow", each.rank_shadow);
    out.end_object();
  }
  out.end_array();
  if (question.answers) {
    out.key("answers")
        .begin_object()
        .field("same", question.answers->same)
        .field("refused_serving", question.answers->refused_serving)
        .field("refused_shadow", question.answers->refused_shadow)
        .field("shared_citations", question.answers->shared_citations)
        .end_object();
  }
  out.end_object();
}

void write_answers(json::Writer& out, const ShadowReport& report) {
  std::int64_t compared = 0;
  std::int64_t same = 0;
  std::int64_t refused_serving = 0;
  std::int64_t refused_shadow = 0;
  double shared = 0;
  for (const ShadowQuestion& each : report.questions) {
    if (!each.answers) continue;
    ++compared;
    same += each.answers->same ? 1 : 0;
    refused_serving += each.answers->refused_serving ? 1 : 0;
    refused_shadow += each.answers->refused_shadow ? 1 : 0;
    shared += each.answers->shared_citations;
  }
  if (compared == 0) return;
  out.key("answers")
      .begin_object()
      .field("compared", compared)
      .field("same", same)
      .field("refused_serving", refused_serving)
      .field("refused_shadow", refused_shadow)
      .field("shared_citations", shared / static_cast<double>(compared))
      .end_object();
}

}  // namespace

ShadowQuestion compare_rankings(const std::vector<Passage>& serving,
                                const std::vector<Passage>& shadow,
                                const std::vector<Passage>& cited) {
  ShadowQuestion compared;
  if (!serving.empty()) {
    const auto kept = std::ranges::count_if(
        serving, [&](const Passage& each) { return overlapping(shadow, each) >= 0; });
    compared.overlap = static_cast<double>(kept) / static_cast<double>(serving.size());
  }
  const std::vector<Relevant> relevant = relevant_of(serving, cited);
  compared.ndcg = ndcg(shadow, relevant);
  compared.ndcg_serving = ndcg(serving, relevant);
  for (const Passage& each : cited) {
    compared.cited.push_back(
        {each.document_id, each.start, each.end, rank_in(serving, each), rank_in(shadow, each)});
  }
  return compared;
}

ShadowAnswers compare_answers(const Answer& serving, const Answer& shadow) {
  ShadowAnswers compared;
  compared.same = serving.text == shadow.text;
  compared.refused_serving = serving.refused;
  compared.refused_shadow = shadow.refused;
  if (serving.citations.empty()) return compared;
  const auto shared = std::ranges::count_if(serving.citations, [&](const Citation& mine) {
    return std::ranges::any_of(shadow.citations, [&](const Citation& theirs) {
      return mine.document_id == theirs.document_id && mine.revision == theirs.revision &&
             mine.start < theirs.end && theirs.start < mine.end;
    });
  });
  compared.shared_citations =
      static_cast<double>(shared) / static_cast<double>(serving.citations.size());
  return compared;
}

bool ShadowReport::passed() const { return std::ranges::all_of(checks, &ShadowCheck::passed); }

void conclude(ShadowReport& report, const ShadowGate& gate) {
  const double count = std::max<double>(1, static_cast<double>(report.questions.size()));
  for (const ShadowQuestion& each : report.questions) {
    report.overlap += each.overlap / count;
    report.ndcg += each.ndcg / count;
    report.ndcg_serving += each.ndcg_serving / count;
  }
  const bool measured = !report.questions.empty();
  if (gate.min_overlap) {
    report.checks.push_back(check("overlap", report.overlap, *gate.min_overlap, measured));
  }
  if (gate.min_ndcg) {
    report.checks.push_back(check("ndcg", report.ndcg, *gate.min_ndcg, measured));
  }
}

std::string failures(const ShadowReport& report) {
  if (report.questions.empty()) return "there is no question to compare it by";
  std::string out;
  for (const ShadowCheck& each : report.checks) {
    if (each.passed) continue;
    out += (out.empty() ? "" : "; ") + each.figure + " is " + number(each.value) + ", at least " +
           number(each.least) + " is wanted";
  }
  return out;
}

void write_json(json::Writer& out, const ShadowReport& report) {
  out.begin_object()
      .field("collection", report.collection)
      .field("serving", report.serving)
      .field("generation", report.generation)
      .field("source", report.from_transcripts ? "transcripts" : "request")
      .field("compared", static_cast<std::int64_t>(report.questions.size()))
      .field("passed", report.passed())
      .field("overlap", report.overlap)
      .field("ndcg", report.ndcg)
      .field("ndcg_serving", report.ndcg_serving);
  out.key("checks").begin_array();
  for (const ShadowCheck& each : report.checks) {
    out.begin_object()
        .field("figure", each.figure)
        .field("value", each.value)
        .field("least", each.least)
        .field("passed", each.passed)
        .end_object();
  }
  out.end_array();
  write_answers(out, report);
  out.key("questions").begin_array();
  for (const ShadowQuestion& each : report.questions) write_json(out, each);
  out.end_array().end_object();
}

}  // namespace millrace
