#pragma once

#include <array>
#include <string_view>

#include "common/clock.h"
#include "common/metrics.h"
#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {

// How a query ended, for metrics.
enum class Outcome { completed, refused, failed, cancelled, overloaded, timeout };

// What became of a re-ranking: only `done` changes an order.
enum class RerankOutcome { done, failed, timeout, overloaded };
std::string_view to_string(RerankOutcome outcome);

// Every metric of the answerer. Thread-safe.
class AnswerProbe {
 public:
  explicit AnswerProbe(MetricsRegistry& metrics);

  // `seconds` since the question was asked.
  void query_finished(Query::Kind kind, Outcome outcome, double seconds) const;
  void answer_completed(const Answer& answer) const;
  void first_delta(double seconds) const { time_to_first_delta_.observe(seconds); }
  void reranked(RerankOutcome outcome, double seconds) const;
  void in_flight(double answers) const { in_flight_.set(answers); }

 private:
  static constexpr std::size_t kOutcomes = 6;
  std::array<std::array<Histogram, kOutcomes>, 2> duration_;  // by kind and outcome
  Counter prompt_tokens_;
  Counter completion_tokens_;
  Histogram citations_;
  Histogram confidence_;
  Counter refusals_;
  Counter needs_human_review_;
  Gauge in_flight_;
  Histogram time_to_first_delta_;
  std::array<Histogram, 4> rerank_;  // by outcome
};

// From the question's acceptance to now; clocks of two machines may disagree: never negative.
inline double seconds_since(Clock::Wall asked_at, Clock::Wall now) {
  return now <= asked_at ? 0.0 : std::chrono::duration<double>(now - asked_at).count();
}

}  // namespace millrace
