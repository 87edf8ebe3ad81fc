#include "workers/index/inverted.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "workers/index/block_max.h"
#include "workers/index/inverted_file.h"

namespace millrace {

TermMatches no_matches(std::span<const Row> rows, std::span<const std::uint8_t> lengths,
                       std::size_t terms) {
  assert(std::is_sorted(rows.begin(), rows.end()));
  assert(rows.empty() || rows.back() < lengths.size());
  TermMatches matches;
  matches.lengths.reserve(rows.size());
  for (const Row row : rows) matches.lengths.push_back(coded_length(lengths[row]));
  matches.counts.resize(rows.size() * terms);
  return matches;
}

CollectionLength length_of(const Bitmap& rows, std::span<const std::uint8_t> lengths) {
  assert(rows.rows() <= lengths.size());
  CollectionLength length;
  const auto all = static_cast<Row>(rows.rows());
  for (Row row = rows.next(0); row < all; row = rows.next(row + 1)) {
    ++length.rows;
    length.terms += coded_length(lengths[row]);
  }
  return length;
}

InvertedIndex::InvertedIndex(std::unique_ptr<const InvertedFile> file) : file_{std::move(file)} {}
InvertedIndex::~InvertedIndex() = default;

Result<std::unique_ptr<InvertedIndex>> InvertedIndex::open(std::string_view bytes) {
  Result<std::unique_ptr<const InvertedFile>> file = InvertedFile::open(bytes);
  if (!file) return file.error();
  return std::unique_ptr<InvertedIndex>{new InvertedIndex{std::move(*file)}};
}

std::size_t InvertedIndex::rows() const { return file_->rows(); }

CollectionLength InvertedIndex::length(std::uint32_t collection, const Bitmap* rows) const {
  if (rows != nullptr) return length_of(*rows, {file_->lengths(), file_->rows()});
  const auto found = file_->find(collection);
  return found ? found->length : CollectionLength{};
}

std::uint64_t InvertedIndex::document_frequency(std::uint32_t collection, std::string_view term,
                                                const Bitmap* rows) const {
  const auto found = file_->find(collection);
  const auto list = found ? file_->find(*found, term) : std::nullopt;
  if (!list || rows == nullptr) return list ? list->size() : 0;
  assert(rows->rows() == file_->rows());
  std::uint64_t having = 0;
  PostingList::Numbers numbers;
  for (std::size_t block = 0; block < list->blocks(); ++block) {
    const std::size_t size = list->decode_rows(block, numbers);
    if (size == 0) break;  // damaged: the list ends here
    for (std::size_t i = 0; i < size; ++i) having += rows->test(numbers[i]) ? 1U : 0U;
  }
  return having;
}

std::vector<LexicalHit> InvertedIndex::search(const LexicalQuery& query, const Bitmap& rows,
                                              std::size_t count) const {
  assert(rows.rows() == file_->rows());
  const auto collection = file_->find(query.collection);
  if (!collection) return {};
  const Bm25Scorer scorer{query};
  const auto terms = query.terms.first(std::min(query.terms.size(), kQueryTermsMax));
  std::vector<ScoredPostings> found;
  found.reserve(terms.size());
  for (const QueryTerm& term : terms) {
    if (!(term.weight > 0)) continue;
    if (const auto list = file_->find(*collection, term.term)) {
      found.emplace_back(*list, term.weight, scorer, file_->lengths());
    }
  }
  return block_max_search(found, rows, count, query.above);
}

TermMatches InvertedIndex::matches(std::uint32_t collection, std::span<const std::string> terms,
                                   std::span<const Row> rows) const {
  TermMatches found = no_matches(rows, {file_->lengths(), file_->rows()}, terms.size());
  const auto in = file_->find(collection);
  if (!in) return found;
  for (std::size_t term = 0; term < std::min(terms.size(), kQueryTermsMax); ++term) {
    const auto list = file_->find(*in, terms[term]);
    if (!list) continue;
    PostingCursor postings{*list};
    for (std::size_t at = 0; at < rows.size(); ++at) {
      const Row next = postings.seek(rows[at]);
      if (next == kNoRow) break;
      if (next == rows[at]) found.counts[at * terms.size() + term] = postings.count();
    }
  }
  return found;
}

}  // namespace millrace
