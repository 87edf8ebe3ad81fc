#include "gateway/cli/eval/retrieval.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_set>

namespace millrace {
namespace {

constexpr std::size_t kTop = 10;

double discount(std::size_t place) { return std::log2(static_cast<double>(place) + 2); }

std::int64_t gain_of(const Judgements& judgements, const std::string& document) {
  const auto found = judgements.find(document);
  return found == judgements.end() ? 0 : std::max<std::int64_t>(found->second, 0);
}

double ideal_gain(const Judgements& judgements) {
  std::vector<std::int64_t> gains;
  for (const auto& [document, grade] : judgements) {
    if (grade > 0) gains.push_back(grade);
  }
  std::ranges::sort(gains, std::greater<>{});
  double sum = 0;
  for (std::size_t i = 0; i < std::min(gains.size(), kTop); ++i) {
    sum += static_cast<double>(gains[i]) / discount(i);
  }
  return sum;
}

bool fits_run_file(std::string_view id) {
  // Beyond ASCII too there are characters that Python's split() takes for a blank.
  constexpr std::string_view kBlanks[] = {
      " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",
      "\x1e",   "\x1f",   "\u0085", "\u00a0", "\u1680", "\u2028", "\u2029", "\u202f",
      "\u205f", "\u3000", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005",
      "\u2006", "\u2007", "\u2008", "\u2009", "\u200a"};
  return !id.empty() && std::ranges::none_of(kBlanks, [&](std::string_view blank) {
    return id.find(blank) != std::string_view::npos;
  });
}

}  // namespace

std::vector<std::string> distinct(std::span<const std::string> ranking) {
  std::vector<std::string> out;
  std::unordered_set<std::string_view> seen;
  for (const std::string& each : ranking) {
    if (seen.insert(each).second) out.push_back(each);
  }
  return out;
}

std::optional<RetrievalScores> score_ranking(std::span<const std::string> ranking,
                                             const Judgements& judgements) {
  const auto relevant =
      std::ranges::count_if(judgements, [](const auto& each) { return each.second > 0; });
  if (relevant == 0) return std::nullopt;
  const std::vector<std::string> documents = distinct(ranking);
  double gain = 0;
  double reciprocal_rank = 0;
  std::size_t found_in_top = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < std::min(documents.size(), kRankingMax); ++i) {
    const std::int64_t grade = gain_of(judgements, documents[i]);
    if (grade == 0) continue;
    ++found;
    if (i >= kTop) continue;
    if (found_in_top++ == 0) reciprocal_rank = 1 / static_cast<double>(i + 1);
    gain += static_cast<double>(grade) / discount(i);
  }
  const auto share = [&](std::size_t count) {
    return static_cast<double>(count) / static_cast<double>(relevant);
  };
  const bool first = !documents.empty() && gain_of(judgements, documents[0]) > 0;
  return RetrievalScores{gain / ideal_gain(judgements), share(found_in_top), share(found),
                         reciprocal_rank, first ? 1.0 : 0.0};
}

Result<std::string> run_lines(std::string_view query_id, std::span<const std::string> ranking) {
  const std::vector<std::string> documents = distinct(ranking);
  const auto refuse = [](const char* what, std::string_view id) {
    return rejected("a run file cannot have the " + std::string{what} + " \"" + std::string{id} +
                    "\": ids in it are without blanks");
  };
  if (!fits_run_file(query_id)) return refuse("query", query_id);
  std::string out;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (!fits_run_file(documents[i])) return refuse("document", documents[i]);
    out.append(query_id).append(" Q0 ").append(documents[i]).append(" ");
    out += std::to_string(i + 1) + " " + std::to_string(documents.size() - i) + " millrace\n";
  }
  return out;
}

}  // namespace millrace
