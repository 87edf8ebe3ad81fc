#include <algorithm>
#include <cassert>

#include "schemas/float16.h"
#include "workers/index/best_hits.h"
#include "workers/index/inner_product.h"
#include "workers/index/segment.h"

namespace millrace {
namespace {

// Words and metadata: what is frozen waits in memory, up to kFrozenMax times.
constexpr std::size_t kGrowingBytesMax = 64U << 20U;
// Rows that are compared with every question of a batch while they are in the processor's cache:
// 96 KiB at 384 dimensions.
constexpr std::size_t kScanRows = 128;

}  // namespace

Bitmap resized(const Bitmap& bitmap, std::size_t rows) {
  Bitmap out{rows};
  const std::size_t words = std::min(out.words().size(), bitmap.words().size());
  std::copy_n(bitmap.words().begin(), words, out.words().begin());
  // Bits behind the last row are 0.
  for (auto row = static_cast<Row>(rows); row < bitmap.rows() && row % 64 != 0; ++row) {
    out.reset(row);
  }
  return out;
}

GrowingSegment::GrowingSegment(std::size_t dimensions, std::size_t capacity)
    : dimensions_{dimensions},
      capacity_{std::min(capacity, kSegmentRowsMax)},
      values_{std::make_unique_for_overwrite<std::uint16_t[]>(capacity_ * dimensions)},
      slots_{std::make_unique_for_overwrite<std::uint64_t[]>(capacity_)} {}

std::size_t GrowingSegment::room() const {
  return words_.bytes() + columns_.bytes() < kGrowingBytesMax ? capacity_ - rows() : 0;
}

void GrowingSegment::add_metadata(std::string_view metadata, std::size_t rows) {
  columns_.add(metadata, rows);
}

void GrowingSegment::add_row(std::uint64_t slot, std::span<const float> vector,
                             std::uint32_t collection, std::span<const TermCount> terms) {
  assert(vector.size() == dimensions_ && rows() < capacity_ && rows() < columns_.rows());
  const std::size_t row = rows();
  assert(row == 0 || slots_[row - 1] < slot);
  std::ranges::transform(vector, values_.get() + row * dimensions_, float16_from);
  slots_[row] = slot;
  words_.add(collection, terms);
}

std::uint64_t GrowingSegment::memory_bytes() const {
  return rows() * (dimensions_ * sizeof(std::uint16_t) + sizeof(std::uint64_t)) + words_.bytes() +
         columns_.bytes();
}

std::vector<std::vector<VectorHit>> GrowingSegment::nearest(std::span<const float> queries,
                                                            const Bitmap& rows, std::size_t count,
                                                            std::span<const float> floors) const {
  const std::size_t asked = queries.size() / dimensions_;
  std::vector<std::vector<VectorHit>> found(asked);
  if (count == 0) return found;
  std::vector<BestHits> best = best_hits(asked, count, floors);
  for (Row begin = rows.next(0), end = 0; begin < rows.rows(); begin = rows.next(end)) {
    end = static_cast<Row>(std::min<std::size_t>(begin + kScanRows, rows.rows()));
    for (std::size_t query = 0; query < asked; ++query) {
      const float* wanted = queries.data() + query * dimensions_;
      for (Row row = begin; row < end; row = rows.next(row + 1)) {
        best[query].add(row, half_product(wanted, values(row), dimensions_));
      }
    }
  }
  for (std::size_t query = 0; query < asked; ++query) found[query] = best[query].take();
  return found;
}

std::vector<float> GrowingSegment::cosines(std::span<const float> query,
                                           std::span<const Row> rows) const {
  std::vector<float> scores;
  scores.reserve(rows.size());
  for (const Row row : rows) {
    scores.push_back(half_product(query.data(), values(row), dimensions_));
  }
  return scores;
}

CollectionLength GrowingSegment::length(std::uint32_t collection, const Bitmap* rows) const {
  return words_.length(collection, rows);
}
std::uint64_t GrowingSegment::document_frequency(std::uint32_t collection, std::string_view term,
                                                 const Bitmap* rows) const {
  if (rows == nullptr) return words_.document_frequency(collection, term);
  const Bitmap all = resized(*rows, words_.rows());
  return words_.document_frequency(collection, term, &all);
}
std::vector<LexicalHit> GrowingSegment::search(const LexicalQuery& query, const Bitmap& rows,
                                               std::size_t count) const {
  return words_.search(query, resized(rows, words_.rows()), count);
}
TermMatches GrowingSegment::matches(std::uint32_t collection, std::span<const std::string> terms,
                                    std::span<const Row> rows) const {
  return words_.matches(collection, terms, rows);
}
Bitmap GrowingSegment::select(const Filter& filter, std::size_t rows) const {
  return resized(columns_.select(filter), rows);
}

}  // namespace millrace
