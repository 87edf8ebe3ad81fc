#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "gateway/replay.h"

namespace millrace {

// What a generation must reach before it may answer; each from 0 to 1.
struct ShadowGate {
  std::optional<double> min_overlap;
  std::optional<double> min_ndcg;
  bool any() const { return min_overlap || min_ndcg; }
};

// A passage that people's answer cited, in both rankings. Ranks are from 1; 0: not found.
struct CitedRank {
  std::string document_id;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::size_t rank_serving = 0;
  std::size_t rank_shadow = 0;
};

struct ShadowAnswers {
  bool same = false;  // the text
  bool refused_serving = false;
  bool refused_shadow = false;
  double shared_citations = 1;  // of the serving one's, those that the other cites too
};

// One question to both generations.
struct ShadowQuestion {
  std::string question;
  std::string query_id;  // of the transcript; empty: it was given
  double overlap = 1;    // of the serving one's passages, how many the other finds too
  double ndcg = 1;       // of the shadow's ranking
  double ndcg_serving = 1;
  std::vector<CitedRank> cited;
  std::optional<ShadowAnswers> answers;
};

// Passages as two generations rank them. Two are the same that overlap (replay.h), since chunks may
// have other borders. Of nDCG, what is relevant are `cited`, all alike; without any the serving
// one's passages, the first one most, so that its own order is the best. `cited` are of revisions
// that are there. Pure.
ShadowQuestion compare_rankings(const std::vector<Passage>& serving,
                                const std::vector<Passage>& shadow,
                                const std::vector<Passage>& cited);
ShadowAnswers compare_answers(const Answer& serving, const Answer& shadow);

struct ShadowCheck {
  std::string figure;  // overlap, ndcg
  double value = 0;
  double least = 0;
  bool passed = false;
};

struct ShadowReport {
  std::string collection;
  int serving = 1;
  int generation = 0;
  bool from_transcripts = false;
  std::vector<ShadowQuestion> questions;
  double overlap = 0;  // means
  double ndcg = 0;
  double ndcg_serving = 0;
  std::vector<ShadowCheck> checks;
  bool passed() const;
};
// Means and checks out of the questions. Without a question nothing is shown, so no check passes.
void conclude(ShadowReport& report, const ShadowGate& gate);
// "overlap is 0.5200, at least 0.8000 is wanted; …" of those that fail.
std::string failures(const ShadowReport& report);
void write_json(json::Writer& out, const ShadowReport& report);

}  // namespace millrace
