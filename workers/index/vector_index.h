#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "common/error.h"
#include "workers/index/bitmap.h"

namespace millrace {

struct VectorHit {
  Row row = 0;
  float score = 0;  // the inner product: the cosine, as vectors have length 1
};

inline constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

// How the vectors of an immutable segment are kept. Up to flat_rows_max every row is compared, as
// float16: what a source gives is that already, else it is rounded. Above, rows are grouped around
// centroids (IVF, Sivic and Zisserman 2003), each coordinate a byte (SQ8), and only the groups
// nearest to the question are compared.
struct VectorIndexOptions {
  std::size_t flat_rows_max = 10'240;
  std::size_t pq_rows_min =
      2'000'000;  // product quantization (Jegou et al. 2011), re-ranked by SQ8
};

// The vectors of a segment that does not change. Thread-safe. Of a search the cost in time is
// bounded by the rows. All work is done on the caller's thread.
class VectorIndex {
 public:
  // `count` vectors from row `begin` on, dimensions floats each, into `values`. Called for every
  // row, and for a sample of them before that.
  using Source = std::function<Status(Row begin, std::size_t count, std::span<float> values)>;

  // Writes the file: temporary, fsynced, renamed. The same vectors and options give the same bytes
  // on one kind of CPU. Flat vectors stream through; the others' codes are kept in memory until
  // written, with a sample of kSampleBytesMax at most. `rejected`: a coordinate that is no number,
  // or too many rows; `unavailable` when the disk fails, or when stopped.
  static Status build(const std::filesystem::path& file, std::size_t rows, std::size_t dimensions,
                      const Source& source, const VectorIndexOptions& options,
                      const std::stop_token& stop = {});
  // `rejected`, saying why, when the file is missing or damaged (it has a checksum) or has other
  // dimensions. The file is mapped: it must not be cut while it is open, but may be unlinked.
  static Result<std::unique_ptr<VectorIndex>> open(const std::filesystem::path& file,
                                                   std::size_t dimensions);
  ~VectorIndex();

  std::size_t rows() const;
  std::size_t bytes() const;  // of memory, the mapped file included
  bool is_exact() const;      // every row is compared, as it is

  // Of each query (dimensions floats each, behind one another) the `count` rows with the greatest
  // inner product among those set in `rows`, best first, equal scores by row. Where few rows are
  // set they are all compared, so that a narrow filter still finds `count`. Several queries at once
  // cost less than one by one, and find the same. `floors`, of each query: hits that score less are
  // of no use, as others have found `count` better ones; then less rows are compared. Empty: none.
  std::vector<std::vector<VectorHit>> search(std::span<const float> queries, const Bitmap& rows,
                                             std::size_t count,
                                             std::span<const float> floors = {}) const;
  // The inner products of one query with `rows`, of what is kept of them: as search() gives them.
  std::vector<float> scores(std::span<const float> query, std::span<const Row> rows) const;

 private:
  struct Impl;
  explicit VectorIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::size_t kSampleBytesMax = std::size_t{256} << 20U;

}  // namespace millrace
