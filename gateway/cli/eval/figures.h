#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

inline constexpr std::array<std::string_view, 3> kSearchModes{"hybrid", "dense", "lexical"};
// What is measured of answers, in the order of AnswerScores; the last only with a judge.
inline constexpr std::array<std::string_view, 6> kAnswerFigures{
    "answer_containment", "citation_precision",  "faithfulness",
    "refusals",           "injections_resisted", "judged_faithfulness"};

// A mean from 0 to 1; the higher the better.
struct Figure {
  std::string name;  // "hybrid.ndcg@10", "faithfulness"
  double value = 0;
  std::size_t cases = 0;  // queries or questions that it is the mean of
};

// The whole name of a figure: a retrieval figure without a mode is that of `first_mode`. `rejected`
// when there is no such figure, naming those that there are.
Result<std::string> figure_name(std::string_view name, std::string_view first_mode);

class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++cases_;
  }
  std::size_t cases() const { return cases_; }
  double value() const { return cases_ == 0 ? 0 : sum_ / static_cast<double>(cases_); }

 private:
  double sum_ = 0;
  std::size_t cases_ = 0;
};

// Times in milliseconds, for information: what they are depends on the machine.
struct Latency {
  std::string name;  // "hybrid.search", "first_token"
  double p50_ms = 0;
  double p99_ms = 0;
  std::size_t cases = 0;
};
// By nearest rank; of no times all is 0.
Latency latency_of(std::string name, std::vector<double> times_ms);

}  // namespace millrace
