#include <dlfcn.h>
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/ProductQuantizer.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

#include "schemas/float16.h"
#include "workers/index/vector_file.h"
#include "workers/index/vector_index.h"

namespace millrace {
namespace {

using Stop = std::stop_token;

constexpr std::size_t kBlockRows = 1'024;        // that the source is asked for at once
constexpr std::size_t kSampleRowsPerList = 40;   // what k-means needs, says FAISS
constexpr std::size_t kListRowsMin = 16;         // of the sample, where that is at its bound
constexpr int kRounds = 10;                      // of k-means; more change little
constexpr std::size_t kCodebookSample = 16'384;  // rows, 64 for each entry
constexpr std::size_t kPartDimensions = 8;       // that one byte stands for
constexpr std::size_t kPartDimensionsMin = 4;    // else the parts are not much less than the bytes
constexpr int kSeed = 5'489;

// FAISS uses OpenMP's and OpenBLAS's threads, which spin and disturb searches. OpenMP's number
// belongs to this thread, OpenBLAS's (where it is the BLAS) to the process, where only FAISS uses
// it.
class OneThread {
 public:
  OneThread() : before_{omp_get_max_threads()} {
    omp_set_num_threads(1);
    using Set = void (*)(int);
    static const auto set =
        reinterpret_cast<Set>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
    if (set != nullptr) set(1);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

Status read_rows(const VectorIndex::Source& source, std::size_t begin, std::size_t count,
                 std::span<float> values) {
  if (Status read = source(static_cast<Row>(begin), count, values); !read) return read;
  for (const float value : values) {
    if (!(std::abs(value) <= kCoordinateMax)) {
      return rejected("a vector of the rows from " + std::to_string(begin) +
                      " on has a coordinate that is no number, or far too large");
    }
  }
  return {};
}

VectorLayout choose_layout(std::size_t rows, std::size_t dimensions,
                           const VectorIndexOptions& options) {
  VectorLayout layout{VectorKind::flat, rows, dimensions};
  if (rows <= options.flat_rows_max || rows == 0) return layout;
  layout.kind = VectorKind::bytes;
  const std::size_t sample_max = kSampleBytesMax / sizeof(float) / dimensions;
  const double root = 2 * std::sqrt(static_cast<double>(rows));
  layout.lists = std::clamp<std::size_t>(static_cast<std::size_t>(root), 1,
                                         std::min(rows, sample_max / kListRowsMin));
  const std::size_t part = std::gcd(dimensions, kPartDimensions);
  if (rows > options.pq_rows_min && part >= kPartDimensionsMin && rows > kCodebook) {
    layout.kind = VectorKind::products;
    layout.parts = dimensions / part;
  }
  return layout;
}

class Builder {
 public:
  Builder(const VectorLayout& layout, const VectorIndex::Source& source, const Stop& stop)
      : layout_{layout},
        source_{source},
        stop_{stop},
        centroids_{static_cast<faiss::Index::idx_t>(layout.dimensions)},
        minimum_(layout.dimensions),
        step_(layout.dimensions) {}

  Status train();
  Status encode();
  Status write(VectorFileWriter& writer) const;

 private:
  Status read_sample();
  Status train_lists();
  void train_products();
  // The list of each vector.
  std::vector<std::uint32_t> assign(std::span<const float> vectors);
  // What is left of a vector beside the centroid of its list.
  void subtract(std::span<float> vectors, std::span<const std::uint32_t> lists) const;
  ByteScale scale() const { return {minimum_, step_}; }

  const VectorLayout& layout_;
  const VectorIndex::Source& source_;
  const Stop& stop_;
  std::vector<float> sample_;
  faiss::IndexFlatIP centroids_;
  std::vector<float> minimum_;
  std::vector<float> step_;
  std::optional<faiss::ProductQuantizer> products_;
  std::vector<std::uint32_t> lists_;  // of each row
  std::vector<std::uint8_t> codes_;   // row by row
  std::vector<std::uint8_t> parts_;
};

// Rows from all over: neighbours are often of one document. In order, each from a stretch of its
// own.
Status Builder::read_sample() {
  const std::size_t dimensions = layout_.dimensions;
  const std::size_t count =
      std::min({layout_.rows, std::max(layout_.lists * kSampleRowsPerList, kCodebookSample),
                kSampleBytesMax / sizeof(float) / dimensions});
  sample_.resize(count * dimensions);
  std::mt19937_64 random{kSeed};
  for (std::size_t i = 0; i < count; ++i) {
    if (stop_.stop_requested()) return unavailable("stopped");
    const std::size_t begin = i * layout_.rows / count;
    const std::size_t end = (i + 1) * layout_.rows / count;
    const std::size_t row = begin + random() % (end - begin);
    const std::span<float> into{sample_.data() + i * dimensions, dimensions};
    if (Status read = read_rows(source_, row, 1, into); !read) return read;
  }
  return {};
}

Status Builder::train_lists() {
  faiss::ClusteringParameters parameters;
  parameters.niter = 1;  // one at a time, to stop in between
  parameters.spherical = true;
  parameters.min_points_per_centroid = 1;
  parameters.max_points_per_centroid = static_cast<int>(sample_.size());
  parameters.seed = kSeed;
  faiss::Clustering clustering{static_cast<int>(layout_.dimensions),
                               static_cast<int>(layout_.lists), parameters};
  const auto rows = static_cast<faiss::Index::idx_t>(sample_.size() / layout_.dimensions);
  for (int round = 0; round < kRounds; ++round) {
    if (stop_.stop_requested()) return unavailable("stopped");
    clustering.train(rows, sample_.data(), centroids_);
  }
  return {};
}

std::vector<std::uint32_t> Builder::assign(std::span<const float> vectors) {
  const std::size_t rows = vectors.size() / layout_.dimensions;
  std::vector<float> scores(rows);
  std::vector<faiss::Index::idx_t> nearest(rows);
  centroids_.search(static_cast<faiss::Index::idx_t>(rows), vectors.data(), 1, scores.data(),
                    nearest.data());
  std::vector<std::uint32_t> lists(rows);
  std::transform(nearest.begin(), nearest.end(), lists.begin(), [](faiss::Index::idx_t list) {
    return static_cast<std::uint32_t>(std::max<faiss::Index::idx_t>(list, 0));
  });
  return lists;
}

void Builder::subtract(std::span<float> vectors, std::span<const std::uint32_t> lists) const {
  const std::size_t dimensions = layout_.dimensions;
  for (std::size_t row = 0; row < lists.size(); ++row) {
    const float* centroid = centroids_.get_xb() + lists[row] * dimensions;
    for (std::size_t i = 0; i < dimensions; ++i) vectors[row * dimensions + i] -= centroid[i];
  }
}

// Of the residuals, which are shorter than the vectors: the same bits say more.
void Builder::train_products() {
  const std::size_t dimensions = layout_.dimensions;
  const std::size_t rows = sample_.size() / dimensions;
  const std::size_t count = std::min(rows, kCodebookSample);
  std::vector<float> residuals(count * dimensions);
  for (std::size_t i = 0; i < count; ++i) {
    std::copy_n(sample_.data() + i * rows / count * dimensions, dimensions,
                residuals.data() + i * dimensions);
  }
  subtract(residuals, assign(residuals));
  products_.emplace(dimensions, layout_.parts, 8);
  products_->cp.niter = kRounds;
  products_->cp.min_points_per_centroid = 1;
  products_->cp.seed = kSeed;
  products_->train(count, residuals.data());
}

Status Builder::train() {
  if (Status read = read_sample(); !read) return read;
  fit_bytes(sample_, minimum_, step_);
  if (Status trained = train_lists(); !trained) return trained;
  if (layout_.kind == VectorKind::products) train_products();
  sample_ = {};
  return {};
}

Status Builder::encode() {
  const std::size_t dimensions = layout_.dimensions;
  codes_.resize(layout_.rows * dimensions);
  parts_.resize(layout_.rows * layout_.parts);
  lists_.reserve(layout_.rows);
  std::vector<float> block(std::min(kBlockRows, layout_.rows) * dimensions);
  for (std::size_t begin = 0; begin < layout_.rows; begin += kBlockRows) {
    if (stop_.stop_requested()) return unavailable("stopped");
    const std::size_t count = std::min(kBlockRows, layout_.rows - begin);
    const std::span<float> vectors{block.data(), count * dimensions};
    if (Status read = read_rows(source_, begin, count, vectors); !read) return read;
    for (std::size_t row = 0; row < count; ++row) {
      encode_bytes(scale(), vectors.subspan(row * dimensions, dimensions),
                   std::span{codes_}.subspan((begin + row) * dimensions, dimensions));
    }
    const std::vector<std::uint32_t> lists = assign(vectors);
    lists_.insert(lists_.end(), lists.begin(), lists.end());
    if (!products_) continue;
    subtract(vectors, lists);
    products_->compute_codes(vectors.data(), parts_.data() + begin * layout_.parts, count);
  }
  return {};
}

Status Builder::write(VectorFileWriter& writer) const {
  std::vector<std::uint32_t> begins(layout_.lists + 1);
  for (const std::uint32_t list : lists_) ++begins[list + 1];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<Row> rows(layout_.rows);
  std::vector<std::uint32_t> next = begins;
  for (Row row = 0; row < layout_.rows; ++row) rows[next[lists_[row]]++] = row;

  const std::span<const float> centroids{centroids_.get_xb(), layout_.lists * layout_.dimensions};
  const std::span<const float> codebook =
      products_ ? std::span<const float>{products_->centroids} : std::span<const float>{};
  for (const std::span<const float> floats :
       {std::span<const float>{minimum_}, std::span<const float>{step_}, centroids, codebook}) {
    if (Status written = writer.write(floats); !written) return written;
  }
  for (const auto& numbers : {begins, rows}) {
    if (Status written = writer.write(std::span<const std::uint32_t>{numbers}); !written) {
      return written;
    }
  }
  for (const auto& [bytes, size] : {std::pair{std::span{codes_}, layout_.dimensions},
                                    std::pair{std::span{parts_}, layout_.parts}}) {
    for (const Row row : rows) {
      if (Status written = writer.write(bytes.subspan(row * size, size)); !written) return written;
    }
  }
  return {};
}

Status write_flat(VectorFileWriter& writer, const VectorLayout& layout,
                  const VectorIndex::Source& source, const Stop& stop) {
  std::vector<float> block(std::min(kBlockRows, layout.rows) * layout.dimensions);
  std::vector<std::uint16_t> halves(block.size());
  for (std::size_t begin = 0; begin < layout.rows; begin += kBlockRows) {
    if (stop.stop_requested()) return unavailable("stopped");
    const std::size_t count = std::min(kBlockRows, layout.rows - begin);
    const std::span<float> vectors{block.data(), count * layout.dimensions};
    if (Status read = read_rows(source, begin, count, vectors); !read) return read;
    std::ranges::transform(vectors, halves.begin(), float16_from);
    const std::span<const std::uint16_t> some{halves.data(), vectors.size()};
    if (Status written = writer.write(some); !written) return written;
  }
  return {};
}

Status write_lists(VectorFileWriter& writer, const VectorLayout& layout,
                   const VectorIndex::Source& source, const Stop& stop) try {
  const OneThread one_thread;
  Builder builder{layout, source, stop};
  if (Status trained = builder.train(); !trained) return trained;
  if (Status encoded = builder.encode(); !encoded) return encoded;
  return builder.write(writer);
} catch (const std::exception& error) {
  return fatal(std::string{"FAISS: "} + error.what());
}

}  // namespace

Status VectorIndex::build(const std::filesystem::path& file, std::size_t rows,
                          std::size_t dimensions, const Source& source,
                          const VectorIndexOptions& options, const std::stop_token& stop) {
  if (rows > kVectorRowsMax || dimensions == 0 || dimensions > kVectorDimensionsMax) {
    return rejected("vectors " + file.string() + ": too many rows or dimensions");
  }
  const VectorLayout layout = choose_layout(rows, dimensions, options);
  const std::string what = "build the vectors " + file.string();
  Result<std::unique_ptr<VectorFileWriter>> writer = VectorFileWriter::create(file, layout);
  if (!writer) return with_context(what, writer.error());
  Status built = layout.kind == VectorKind::flat ? write_flat(**writer, layout, source, stop)
                                                 : write_lists(**writer, layout, source, stop);
  if (built) built = (*writer)->commit();
  if (!built) return with_context(what, built.error());
  return {};
}

}  // namespace millrace
