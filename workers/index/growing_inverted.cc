#include <algorithm>
#include <cassert>
#include <unordered_map>

#include "workers/index/block_max.h"
#include "workers/index/inverted_file.h"
#include "workers/index/inverted_writer.h"

namespace millrace {
namespace {

using inverted_format::put_varint;

// A term's rows: { gap * 2 + (count is 1):v [count:v] }. Most terms are rare: a string of 15 bytes
// is kept in place.
struct Postings {
  std::string bytes;
  std::uint32_t size = 0;
  Row next_row = 0;

  void add(Row row, std::uint32_t count) {
    put_varint(bytes, std::uint64_t{row - next_row} * 2 + (count == 1 ? 1 : 0));
    if (count != 1) put_varint(bytes, count);
    next_row = row + 1;
    ++size;
  }

  template <class Visit>
  void visit(Visit visit) const {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    for (Row next = 0; at != end;) {
      const std::uint64_t head = take(at);
      const Row row = next + static_cast<Row>(head / 2);
      visit(row, head % 2 == 1 ? 1 : static_cast<std::uint32_t>(take(at)));
      next = row + 1;
    }
  }

 private:
  // What add() put, so it needs no check.
  static std::uint64_t take(const char*& at) {
    std::uint64_t value = static_cast<unsigned char>(*at++);
    for (unsigned shift = 7; value >> shift != 0; shift += 7) {
      value ^= std::uint64_t{1} << shift;
      value |= std::uint64_t{static_cast<unsigned char>(*at++)} << shift;
    }
    return value;
  }
};

struct TermHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view term) const {
    return std::hash<std::string_view>{}(term);
  }
};
using Vocabulary = std::unordered_map<std::string, Postings, TermHash, std::equal_to<>>;

struct Collection {
  CollectionLength length;
  Vocabulary terms;
};

// Of a vocabulary's node: the entry, its hash, its link and its bucket.
constexpr std::size_t kTermBytes = sizeof(Vocabulary::value_type) + 3 * sizeof(void*);

std::size_t heap_bytes(const std::string& text) {
  return text.capacity() > std::string{}.capacity() ? text.capacity() + 1 : 0;
}

}  // namespace

struct GrowingInverted::Impl {
  std::unordered_map<std::uint32_t, Collection> collections;
  std::vector<std::uint32_t> collection_of;  // by row
  std::vector<std::uint8_t> lengths;         // by row: length_code()
  std::size_t term_bytes = 0;

  const Collection* find(std::uint32_t number) const {
    const auto found = collections.find(number);
    return found == collections.end() ? nullptr : &found->second;
  }
  const Postings* find(std::uint32_t number, std::string_view term) const {
    const Collection* collection = find(number);
    if (collection == nullptr) return nullptr;
    const auto found = collection->terms.find(term);
    return found == collection->terms.end() ? nullptr : &found->second;
  }
};

GrowingInverted::GrowingInverted() : impl_{std::make_unique<Impl>()} {}
GrowingInverted::~GrowingInverted() = default;

void GrowingInverted::add(std::uint32_t collection, std::span<const TermCount> terms) {
  assert(rows() < kSegmentRowsMax);
  const auto row = static_cast<Row>(rows());
  Collection& owner = impl_->collections[collection];
  std::uint64_t length = 0;
  for (const auto& [term, count] : terms) {
    assert(count > 0);
    auto found = owner.terms.find(term);
    if (found == owner.terms.end()) {
      found = owner.terms.emplace(term, Postings{}).first;
      impl_->term_bytes += kTermBytes + heap_bytes(found->first);
    }
    assert(found->second.next_row <= row);
    impl_->term_bytes -= heap_bytes(found->second.bytes);
    found->second.add(row, count);
    impl_->term_bytes += heap_bytes(found->second.bytes);
    length += count;
  }
  ++owner.length.rows;
  owner.length.terms += length;
  impl_->collection_of.push_back(collection);
  impl_->lengths.push_back(length_code(length));
}

std::size_t GrowingInverted::rows() const { return impl_->lengths.size(); }

CollectionLength GrowingInverted::length(std::uint32_t collection, const Bitmap* rows) const {
  if (rows != nullptr) return length_of(*rows, impl_->lengths);
  const Collection* found = impl_->find(collection);
  return found == nullptr ? CollectionLength{} : found->length;
}

std::uint64_t GrowingInverted::document_frequency(std::uint32_t collection, std::string_view term,
                                                  const Bitmap* rows) const {
  const Postings* found = impl_->find(collection, term);
  if (found == nullptr || rows == nullptr) return found == nullptr ? 0 : found->size;
  assert(rows->rows() == this->rows());
  std::uint64_t having = 0;
  found->visit([&](Row row, std::uint32_t) { having += rows->test(row) ? 1U : 0U; });
  return having;
}

std::vector<LexicalHit> GrowingInverted::search(const LexicalQuery& query, const Bitmap& rows,
                                                std::size_t count) const {
  assert(rows.rows() == this->rows());
  if (impl_->find(query.collection) == nullptr) return {};
  const Bm25Scorer scorer{query};
  std::vector<double> sums(this->rows());
  Bitmap seen{this->rows()};
  for (const QueryTerm& term : query.terms.first(std::min(query.terms.size(), kQueryTermsMax))) {
    const Postings* postings = impl_->find(query.collection, term.term);
    if (postings == nullptr || !(term.weight > 0)) continue;
    postings->visit([&](Row row, std::uint32_t times) {
      sums[row] += scorer.score(term.weight, times, impl_->lengths[row]);
      seen.set(row);
    });
  }
  seen &= rows;
  TopHits hits{count, this->rows(), query.above};
  const auto all = static_cast<Row>(this->rows());
  for (Row row = seen.next(0); row < all; row = seen.next(row + 1)) hits.offer(row, sums[row]);
  return hits.take();
}

TermMatches GrowingInverted::matches(std::uint32_t collection, std::span<const std::string> terms,
                                     std::span<const Row> rows) const {
  TermMatches found = no_matches(rows, impl_->lengths, terms.size());
  for (std::size_t term = 0; term < std::min(terms.size(), kQueryTermsMax); ++term) {
    const Postings* postings = impl_->find(collection, terms[term]);
    if (postings == nullptr) continue;
    std::size_t at = 0;
    postings->visit([&](Row row, std::uint32_t times) {
      while (at < rows.size() && rows[at] < row) ++at;
      for (; at < rows.size() && rows[at] == row; ++at) {
        found.counts[at * terms.size() + term] = times;
      }
    });
  }
  return found;
}

std::size_t GrowingInverted::bytes() const {
  constexpr std::size_t kCollectionBytes = sizeof(Collection) + 4 * sizeof(void*);
  return sizeof(Impl) + impl_->term_bytes + impl_->collections.size() * kCollectionBytes +
         impl_->collection_of.capacity() * sizeof(std::uint32_t) + impl_->lengths.capacity();
}

Status GrowingInverted::serialize(const ByteSink& sink) const {
  InvertedWriter writer{sink};
  for (std::size_t row = 0; row < rows(); ++row) {
    writer.add_row(impl_->collection_of[row], impl_->lengths[row]);
  }
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, collection] : impl_->collections) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  PostingListWriter list;
  for (const std::uint32_t number : numbers) {
    std::vector<const Vocabulary::value_type*> terms;
    for (const auto& term : impl_->find(number)->terms) terms.push_back(&term);
    std::sort(terms.begin(), terms.end(),
              [](const auto* left, const auto* right) { return left->first < right->first; });
    for (const auto* term : terms) {
      term->second.visit(
          [&](Row row, std::uint32_t count) { list.add(row, count, impl_->lengths[row]); });
      if (Status added = writer.add_term(number, term->first, list); !added) return added;
    }
  }
  return writer.finish();
}

}  // namespace millrace
