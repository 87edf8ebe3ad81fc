#pragma once

#include <span>
#include <vector>

#include "schemas/query.h"

namespace millrace {

// One order of what the index partitions found, best first: no chunk twice, each with its score
// from 0 to 1, explained where the query asks for it; the match is its vector alone. A word weighs
// what it does in all these partitions together, so it makes no difference how the chunks are
// spread over them, nor in which order their events came. Equal scores go by the cosine, then by
// document, place and chunk.
std::vector<Passage> fused(const Query& query, std::vector<PassagesEvent> found);

// The same with the first scores.size() of them put into the order of these scores; equal ones and
// the others stay in theirs. Their own scores stay what they are: they compare between queries, and
// re-rankers' do not. Asserted: not more scores than candidates.
std::vector<Passage> reordered(const Query& query, std::vector<Passage> candidates,
                               std::span<const double> scores);

// What the query shows of its candidates: one for each document and different ones, where it asks
// for that, at most query.top_k, without their matches.
std::vector<Passage> chosen(const Query& query, std::vector<Passage> candidates);

// Without a re-ranker.
std::vector<Passage> ranked(const Query& query, std::vector<PassagesEvent> found);

}  // namespace millrace
