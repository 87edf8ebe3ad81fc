#include <algorithm>
#include <numeric>
#include <utility>

#include "workers/index/index_search.h"

// What a search gives of the rows that it chose.
namespace millrace {
namespace {

Passage passage_from_rows(ChunkRow&& row, const RevisionRow& revision) {
  Passage passage;
  passage.document_id = revision.document_id;
  passage.revision = revision.revision;
  passage.chunk_id = std::move(row.chunk.chunk_id);
  passage.title = revision.title;
  passage.name = revision.name;
  passage.text = std::move(row.chunk.text);
  passage.page = row.chunk.page;
  passage.start = row.chunk.start;
  passage.end = row.chunk.end;
  passage.headings = std::move(row.chunk.headings);
  passage.metadata = revision.metadata;
  return passage;
}

PassageMatch match_of(const Candidate& candidate, std::span<const QueryWord> words) {
  PassageMatch match;
  if (candidate.cosine) match.cosine = static_cast<double>(*candidate.cosine);
  match.length = candidate.length;
  auto next = candidate.counts.begin();
  for (const QueryWord& word : words) {
    std::vector<std::int64_t>& counts = match.counts.emplace_back(word.terms.size());
    if (!candidate.counts.empty()) {
      const auto end = next + static_cast<std::ptrdiff_t>(word.terms.size());
      counts.assign(next, end);
      next = end;
    }
  }
  return match;
}

// Into the matches, whose slots may be in any order.
Status read_vectors(const StoreView& store, std::span<const std::uint64_t> slots,
                    std::size_t dimensions, std::vector<Passage>& passages) {
  std::vector<std::size_t> order(slots.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t at) { return slots[at]; });
  std::vector<std::uint64_t> sorted;
  for (const std::size_t at : order) sorted.push_back(slots[at]);
  std::vector<float> values(slots.size() * dimensions);
  if (Status status = store.vectors(sorted, values); !status) return status;
  auto next = values.begin();
  for (const std::size_t at : order) {
    const auto end = next + static_cast<std::ptrdiff_t>(dimensions);
    passages[at].match->vector.assign(next, end);
    next = end;
  }
  return {};
}

}  // namespace

Result<std::vector<Passage>> IndexSearchBatch::read(const Question& question,
                                                    std::span<const std::size_t> chosen) const {
  std::vector<std::uint64_t> slots;
  for (const std::size_t at : chosen) {
    const Candidate& candidate = question.candidates[at];
    slots.push_back(segments_[candidate.segment].segment->slots()[candidate.row]);
  }
  Result<std::vector<ChunkRow>> rows = store_->chunks(slots);
  if (!rows) return rows.error();
  std::vector<std::uint64_t> numbers;
  for (const ChunkRow& row : *rows) numbers.push_back(row.revision_number);
  std::ranges::sort(numbers);
  const auto repeated = std::ranges::unique(numbers);
  numbers.erase(repeated.begin(), repeated.end());
  const Result<std::vector<RevisionRow>> revisions = store_->revisions(numbers);
  if (!revisions) return revisions.error();
  std::vector<Passage> passages;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto number = std::ranges::lower_bound(numbers, (*rows)[i].revision_number);
    const RevisionRow& revision = (*revisions)[static_cast<std::size_t>(number - numbers.begin())];
    passages.push_back(passage_from_rows(std::move((*rows)[i]), revision));
    passages.back().match = match_of(question.candidates[chosen[i]], question.words);
  }
  if (question.search->with_vectors && !slots.empty()) {
    Status status = read_vectors(*store_, slots, index_.dimensions, passages);
    if (!status) return status.error();
  }
  return passages;
}

}  // namespace millrace
