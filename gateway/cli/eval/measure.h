#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "gateway/cli/eval/beir.h"
#include "gateway/cli/eval/exchanges.h"
#include "gateway/cli/eval/judge.h"
#include "gateway/cli/eval/report.h"
#include "gateway/cli/eval/target.h"

namespace millrace {

// What is to be measured, and how.
struct Evaluation {
  std::optional<Corpus> corpus;  // to be added
  std::vector<JudgedQuery> queries;
  std::vector<Question> questions;
  std::vector<std::string> modes;  // at least one; questions are asked in the first
  bool keeps_run = false;          // the rankings are wanted as a run file
  Judge judge;
  std::chrono::minutes index_max{30};  // until the whole corpus is searchable
};

// Each adds what it has found to the report. What a failure of one of many exchanges ends says
// which query, question or document it was.

// Adds the corpus and waits until each document is searchable or has failed.
Status add_corpus(Exchanges& exchanges, const Target& target, const Evaluation& evaluation,
                  Report& report);
// Figures and latency of one mode; the lines of its run file where that is wanted.
Result<std::string> measure_retrieval(Exchanges& exchanges, const Target& target,
                                      const Evaluation& evaluation, const std::string& mode,
                                      Report& report);
Status measure_answers(Exchanges& exchanges, const Target& target, const Evaluation& evaluation,
                       Report& report);

// The whole names of the figures that it will have, where the answers allow them.
std::vector<std::string> figures_of(const Evaluation& evaluation);

}  // namespace millrace
