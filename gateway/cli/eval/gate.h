#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "gateway/cli/eval/figures.h"

namespace millrace {

// What a figure must reach.
struct Threshold {
  std::string figure;  // its whole name
  double least = 0;
  std::string origin;  // who wants it, for people: "--min", "thresholds.yaml line 3"
};

// The parsers are `rejected` with what is wrong and what would be right; names as figure_name()
// takes them.

// "ndcg@10=0.70"
Result<Threshold> parse_min(std::string_view text, std::string_view first_mode);
// {"ndcg@10": 0.70, …} or lines of `ndcg@10: 0.70` with # comments, as YAML has them.
Result<std::vector<Threshold>> parse_thresholds(std::string_view text, const std::string& file,
                                                std::string_view first_mode);
// What `millrace eval --json` wrote: every figure of it, less `tolerance`.
Result<std::vector<Threshold>> parse_baseline(std::string_view text, const std::string& file,
                                              double tolerance);

struct Check {
  Threshold threshold;
  std::optional<double> value;  // nothing: was not measured, which does not pass
  bool passed = false;
};
std::vector<Check> check(std::span<const Threshold> thresholds, std::span<const Figure> figures);

// "hybrid.ndcg@10 is 0.6512, at least 0.7000 is wanted by --min"
std::string describe(const Check& check);

}  // namespace millrace
