#include "workers/answerer/probe.h"

#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr std::array<std::string_view, 6> kOutcomeNames{"completed", "refused",    "failed",
                                                        "cancelled", "overloaded", "timeout"};

constexpr std::array<std::string_view, 4> kRerankNames{"done", "failed", "timeout", "overloaded"};

}  // namespace

std::string_view to_string(RerankOutcome outcome) {
  return kRerankNames[static_cast<std::size_t>(outcome)];
}

AnswerProbe::AnswerProbe(MetricsRegistry& metrics) {
  for (std::size_t kind = 0; kind < duration_.size(); ++kind) {
    for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
      duration_[kind][outcome] = metrics.histogram(
          "rag_query_duration_seconds", "From a question's acceptance to its last event",
          {{"kind", kind == 0 ? "answer" : "search"},
           {"outcome", std::string{kOutcomeNames[outcome]}}});
    }
  }
  const std::string tokens_help = "Tokens that model servers report for answers";
  prompt_tokens_ = metrics.counter("answer_tokens_total", tokens_help, {{"kind", "prompt"}});
  completion_tokens_ =
      metrics.counter("answer_tokens_total", tokens_help, {{"kind", "completion"}});
  citations_ = metrics.histogram("answer_citations", "Citations of a completed answer", {},
                                 {0, 1, 2, 3, 4, 6, 8, 12, 16});
  confidence_ = metrics.histogram("answer_confidence", "Confidence of a completed answer", {},
                                  {.1, .2, .3, .4, .5, .6, .7, .8, .9, 1});
  refusals_ = metrics.counter("answer_refusals_total", "Answers refused for want of evidence");
  needs_human_review_ =
      metrics.counter("answer_needs_human_review_total", "Answers that a person should look at");
  in_flight_ = metrics.gauge("answers_in_flight", "Answers begun and not finished");
  time_to_first_delta_ = metrics.histogram("answer_time_to_first_delta_seconds",
                                           "From a question's acceptance to its first delta");
  for (std::size_t outcome = 0; outcome < rerank_.size(); ++outcome) {
    rerank_[outcome] = metrics.histogram(
        "rag_rerank_duration_seconds",
        "Re-ranking of one query; all outcomes but done leave the fused order as it is",
        {{"outcome", std::string{kRerankNames[outcome]}}});
  }
}

void AnswerProbe::query_finished(Query::Kind kind, Outcome outcome, double seconds) const {
  duration_[kind == Query::Kind::answer ? 0 : 1][static_cast<std::size_t>(outcome)].observe(
      seconds);
}

void AnswerProbe::reranked(RerankOutcome outcome, double seconds) const {
  rerank_[static_cast<std::size_t>(outcome)].observe(seconds);
}

void AnswerProbe::answer_completed(const Answer& answer) const {
  prompt_tokens_.add(static_cast<double>(answer.usage.prompt_tokens));
  completion_tokens_.add(static_cast<double>(answer.usage.completion_tokens));
  citations_.observe(static_cast<double>(answer.citations.size()));
  confidence_.observe(answer.confidence);
  if (answer.refused) refusals_.add();
  if (answer.needs_human_review) needs_human_review_.add();
}

}  // namespace millrace
