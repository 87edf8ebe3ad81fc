#include "workers/index/vector_index.h"

#include <faiss/impl/ProductQuantizer.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "workers/index/best_hits.h"
#include "workers/index/inner_product.h"
#include "workers/index/list_walk.h"
#include "workers/index/vector_file.h"

namespace millrace {
namespace {

using Position = std::uint32_t;  // of a row in the order of the file

constexpr std::size_t kQueriesAtOnce = 64;  // bounds the memory of a search
constexpr std::size_t kRowsAtOnce = 32;     // stay in the first cache while all queries pass
// A query may compare so many rows for each that is wanted, also where few are set.
constexpr std::size_t kRowsPerHit = 8;
constexpr std::size_t kCandidatesPerHit = 8;  // are re-ranked
constexpr std::size_t kCandidatesMin = 100;

// Calls visit(query, position), a few positions at a time for all queries.
template <class Visit>
void for_each_pair(std::span<const Position> positions, std::span<const std::size_t> queries,
                   const Visit& visit) {
  for (std::size_t begin = 0; begin < positions.size(); begin += kRowsAtOnce) {
    const auto some = positions.subspan(begin, std::min(kRowsAtOnce, positions.size() - begin));
    for (const std::size_t query : queries) {
      for (const Position position : some) visit(query, position);
    }
  }
}

// 0 to end - 1
template <class Number>
std::vector<Number> numbers_to(std::size_t end) {
  std::vector<Number> numbers(end);
  std::iota(numbers.begin(), numbers.end(), Number{0});
  return numbers;
}

// The set rows of each list, looked for when a query comes to it.
class ListRows {
 public:
  ListRows(const VectorFile& file, const Bitmap& rows, bool all)
      : file_{file},
        rows_{rows},
        all_{all},
        found_(file.layout.lists),
        positions_(file.layout.lists) {}

  std::span<const Position> operator[](std::size_t list) {
    if (!found_[list]) find(list);
    return positions_[list];
  }

 private:
  // Without a branch for each row, which no CPU could foretell.
  void find(std::size_t list) {
    found_[list] = true;
    const Position end = file_.begins[list + 1];
    std::vector<Position>& positions = positions_[list];
    positions.resize(end - file_.begins[list]);
    if (all_) return std::iota(positions.begin(), positions.end(), file_.begins[list]);
    std::size_t count = 0;
    for (Position at = file_.begins[list]; at < end; ++at) {
      positions[count] = at;
      count += rows_.test(file_.rows[at]) ? 1U : 0U;
    }
    positions.resize(count);
  }

  const VectorFile& file_;
  const Bitmap& rows_;
  const bool all_;  // are set
  std::vector<bool> found_;
  std::vector<std::vector<Position>> positions_;
};

struct Visit {
  std::uint32_t list = 0;
  std::uint32_t query = 0;
};

// Some queries, made ready.
struct Queries {
  std::span<const float> values;
  std::size_t dimensions;
  std::vector<ByteQuery> bytes = {};  // lists only

  std::size_t size() const { return values.size() / dimensions; }
  const float* operator[](std::size_t query) const { return values.data() + query * dimensions; }
};

}  // namespace

struct VectorIndex::Impl {
  explicit Impl(VectorFile opened);

  float score(const Queries& queries, std::size_t query, Position position) const {
    if (is_flat) {
      return half_product(queries[query], file.values.data() + position * dimensions, dimensions);
    }
    return queries.bytes[query].score(file.codes.data() + position * dimensions);
  }
  Row row_of(Position position) const { return is_flat ? position : file.rows[position]; }
  Position position_of(Row row) const { return is_flat ? row : positions[row]; }

  Queries make_queries(std::span<const float> values) const;
  void compare_all(const Queries& queries, const Bitmap& rows, std::vector<BestHits>& best) const;
  std::vector<float> score_centroids(const Queries& queries) const;
  std::vector<Visit> next_round(std::vector<ListWalk>& walks, ListRows& rows,
                                const std::vector<BestHits>& best) const;
  template <class Score>
  void search_lists(std::vector<ListWalk>& walks, ListRows& rows, const Score& score_of,
                    std::vector<BestHits>& best) const;
  void search_products(std::span<const float> centroid_scores, std::vector<ListWalk>& walks,
                       ListRows& rows, const Queries& queries, std::size_t count,
                       std::vector<BestHits>& best) const;
  void search_some(std::span<const float> values, const Bitmap& rows, std::size_t matches,
                   std::vector<BestHits>& best) const;
  std::size_t budget(std::size_t count) const;

  const VectorFile file;
  const std::size_t dimensions;
  const bool is_flat;
  std::vector<Position> positions;  // of each row; lists only
  faiss::ProductQuantizer products;
};

VectorIndex::Impl::Impl(VectorFile opened)
    : file{std::move(opened)},
      dimensions{file.layout.dimensions},
      is_flat{file.layout.kind == VectorKind::flat} {
  positions.resize(file.rows.size());
  for (Position at = 0; at < file.rows.size(); ++at) positions[file.rows[at]] = at;
  if (file.layout.kind != VectorKind::products) return;
  products = faiss::ProductQuantizer{dimensions, file.layout.parts, 8};
  products.centroids.assign(file.codebook.begin(), file.codebook.end());
}

// How many rows to compare at most: as many as the square root of the lists has on average, and
// enough of them for each hit that has to be found. Where a filter leaves few rows in each list,
// more lists are visited for them: the nearest of fewer rows are farther away.
std::size_t VectorIndex::Impl::budget(std::size_t count) const {
  if (is_flat) return file.layout.rows;
  const auto root = std::sqrt(static_cast<double>(file.layout.lists));
  const auto rows = static_cast<std::size_t>(static_cast<double>(file.layout.rows) / root);
  return std::max(rows, std::min(count, file.layout.rows) * kRowsPerHit);
}

Queries VectorIndex::Impl::make_queries(std::span<const float> values) const {
  Queries queries{values, dimensions};
  if (is_flat) return queries;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    queries.bytes.emplace_back(file.scale, values.subspan(i * dimensions, dimensions));
  }
  return queries;
}

void VectorIndex::Impl::compare_all(const Queries& queries, const Bitmap& rows,
                                    std::vector<BestHits>& best) const {
  std::vector<Position> set;
  for (Row row = rows.next(0); row < rows.rows(); row = rows.next(row + 1)) {
    set.push_back(position_of(row));
  }
  for_each_pair(set, numbers_to<std::size_t>(queries.size()),
                [&](std::size_t query, Position position) {
                  best[query].add(row_of(position), score(queries, query, position));
                });
}

std::vector<float> VectorIndex::Impl::score_centroids(const Queries& queries) const {
  const std::size_t lists = file.layout.lists;
  std::vector<float> scores(queries.size() * lists);
  for_each_pair(numbers_to<Position>(lists), numbers_to<std::size_t>(queries.size()),
                [&](std::size_t query, Position list) {
                  const float score = float_product(
                      queries[query], file.centroids.data() + list * dimensions, dimensions);
                  scores[query * lists + list] =
                      std::isnan(score) ? 0 : score;  // which cannot be ordered
                });
  return scores;
}

// Each query visits its own lists, in rounds; those that several visit in one are read once.
template <class Score>
void VectorIndex::Impl::search_lists(std::vector<ListWalk>& walks, ListRows& rows,
                                     const Score& score_of, std::vector<BestHits>& best) const {
  for (std::vector<Visit> visits = next_round(walks, rows, best); !visits.empty();
       visits = next_round(walks, rows, best)) {
    std::vector<std::size_t> queries;
    for (std::size_t i = 0; i < visits.size(); ++i) {
      queries.push_back(visits[i].query);
      const std::uint32_t list = visits[i].list;
      if (i + 1 < visits.size() && visits[i + 1].list == list) continue;
      for_each_pair(rows[list], queries, [&](std::size_t query, Position position) {
        const float score = score_of(query, list, position);
        walks[query].compared(list, score);
        best[query].add(row_of(position), score);
      });
      queries.clear();
    }
  }
}

// Ordered by list; empty when all queries have enough.
std::vector<Visit> VectorIndex::Impl::next_round(std::vector<ListWalk>& walks, ListRows& rows,
                                                 const std::vector<BestHits>& best) const {
  std::vector<Visit> visits;
  for (std::uint32_t query = 0; query < walks.size(); ++query) {
    ListWalk& walk = walks[query];
    const BestHits& hits = best[query];
    if (!walk.begin_round(hits.found(), hits.size(), hits.floor())) continue;
    while (const auto list = walk.next()) {
      const std::size_t size = rows[*list].size();
      walk.visit(*list, size);
      if (size > 0) visits.push_back({*list, query});
    }
  }
  std::ranges::stable_sort(visits, {}, &Visit::list);
  return visits;
}

// By the products, then the best of these by the bytes.
void VectorIndex::Impl::search_products(std::span<const float> centroid_scores,
                                        std::vector<ListWalk>& walks, ListRows& rows,
                                        const Queries& queries, std::size_t count,
                                        std::vector<BestHits>& best) const {
  const std::size_t parts = file.layout.parts;
  const std::size_t table_size = parts * kCodebook;
  std::vector<float> tables(queries.size() * table_size);
  for (std::size_t query = 0; query < queries.size(); ++query) {
    products.compute_inner_prod_table(queries[query], tables.data() + query * table_size);
  }
  const auto score_of = [&](std::size_t query, std::uint32_t list, Position position) {
    const float* table = tables.data() + query * table_size;
    const std::uint8_t* codes = file.parts.data() + position * parts;
    float sum = centroid_scores[query * file.layout.lists + list];
    for (std::size_t part = 0; part < parts; ++part) sum += table[part * kCodebook + codes[part]];
    return sum;
  };
  std::vector<BestHits> candidates(queries.size(), BestHits{count});
  search_lists(walks, rows, score_of, candidates);
  for (std::size_t query = 0; query < queries.size(); ++query) {
    for (const VectorHit& hit : candidates[query].take()) {
      best[query].add(hit.row, score(queries, query, positions[hit.row]));
    }
  }
}

// At most kQueriesAtOnce of them.
void VectorIndex::Impl::search_some(std::span<const float> values, const Bitmap& rows,
                                    std::size_t matches, std::vector<BestHits>& best) const {
  const Queries queries = make_queries(values);
  const std::size_t count = best.front().size();
  const std::size_t rows_max = budget(count);
  if (matches <= rows_max) return compare_all(queries, rows, best);
  const std::vector<float> centroid_scores = score_centroids(queries);
  const double share = static_cast<double>(matches) / static_cast<double>(file.layout.rows);
  const std::size_t lists = file.layout.lists;
  std::vector<ListWalk> walks;
  for (std::size_t query = 0; query < queries.size(); ++query) {
    const std::span scores{centroid_scores.data() + query * lists, lists};
    walks.emplace_back(scores, file.begins, share, rows_max);
  }
  ListRows list_rows{file, rows, matches == file.layout.rows};
  if (file.layout.kind == VectorKind::products) {
    const std::size_t candidates = std::max(count * kCandidatesPerHit, kCandidatesMin);
    return search_products(centroid_scores, walks, list_rows, queries, candidates, best);
  }
  const auto score_of = [&](std::size_t query, std::uint32_t, Position position) {
    return score(queries, query, position);
  };
  search_lists(walks, list_rows, score_of, best);
}

Result<std::unique_ptr<VectorIndex>> VectorIndex::open(const std::filesystem::path& file,
                                                       std::size_t dimensions) {
  Result<VectorFile> opened = VectorFile::open(file, dimensions);
  if (!opened) return opened.error();
  return std::unique_ptr<VectorIndex>{new VectorIndex{std::make_unique<Impl>(std::move(*opened))}};
}

VectorIndex::VectorIndex(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
VectorIndex::~VectorIndex() = default;

std::size_t VectorIndex::rows() const { return impl_->file.layout.rows; }

std::size_t VectorIndex::bytes() const {
  return impl_->file.all().size() + impl_->positions.size() * sizeof(Position);
}

bool VectorIndex::is_exact() const { return impl_->is_flat; }

std::vector<std::vector<VectorHit>> VectorIndex::search(std::span<const float> queries,
                                                        const Bitmap& rows, std::size_t count,
                                                        std::span<const float> floors) const {
  assert(rows.rows() == this->rows() && queries.size() % impl_->dimensions == 0);
  const std::size_t matches = rows.count();
  std::vector<std::vector<VectorHit>> found;
  const std::size_t step = kQueriesAtOnce * impl_->dimensions;
  for (std::size_t at = 0; at < queries.size(); at += step) {
    const auto some = queries.subspan(at, std::min(step, queries.size() - at));
    const std::size_t asked = some.size() / impl_->dimensions;
    const auto some_floors =
        floors.empty() ? floors : floors.subspan(at / impl_->dimensions, asked);
    std::vector<BestHits> best = best_hits(asked, std::min(count, matches), some_floors);
    if (count > 0 && matches > 0) impl_->search_some(some, rows, matches, best);
    for (BestHits& hits : best) found.push_back(hits.take());
  }
  return found;
}

std::vector<float> VectorIndex::scores(std::span<const float> query,
                                       std::span<const Row> rows) const {
  assert(query.size() == impl_->dimensions);
  const Queries queries = impl_->make_queries(query);
  std::vector<float> scores;
  scores.reserve(rows.size());
  for (const Row row : rows) scores.push_back(impl_->score(queries, 0, impl_->position_of(row)));
  return scores;
}

}  // namespace millrace
