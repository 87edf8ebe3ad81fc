#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/error.h"

namespace millrace {

// What is measured of a ranking, in the order of RetrievalScores.
inline constexpr std::array<std::string_view, 5> kRetrievalFigures{
    "ndcg@10", "recall@10", "recall@100", "mrr@10", "success@1"};
using RetrievalScores = std::array<double, kRetrievalFigures.size()>;
inline constexpr std::size_t kRankingMax = 100;  // documents of a ranking that figures look at

// How relevant each judged document is to a query; of 0 or below: not.
using Judgements = std::unordered_map<std::string, std::int64_t>;

// Each document once, where it is first.
std::vector<std::string> distinct(std::span<const std::string> ranking);

// Of one query's ranking, best document first, each counted where it is first. The gain of a
// document is its grade (trec_eval's ndcg_cut), recall is the share of relevant documents found,
// mrr@10 is one by the rank of the first relevant one. Nothing when no document is relevant: such a
// query is not counted.
std::optional<RetrievalScores> score_ranking(std::span<const std::string> ranking,
                                             const Judgements& judgements);

// A query's lines of a TREC run file: `query Q0 document rank score millrace`. The score falls by
// one from rank to rank, so that whoever sorts by score, by rank or by both has the same order.
// `rejected` where an id has a blank, which is what separates the fields.
Result<std::string> run_lines(std::string_view query_id, std::span<const std::string> ranking);

}  // namespace millrace
