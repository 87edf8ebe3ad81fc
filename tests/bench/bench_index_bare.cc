#include "tests/bench/bench_index_bare.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/utils/distances.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/clock.h"
#include "tests/bench/bench_index.h"

namespace millrace {
namespace {

constexpr std::size_t kProbesMax = 512;
constexpr int kPointsPerCentroid = 64;  // of the training's sample
constexpr std::size_t kAddedAtOnce = 50'000;

// About four times the root, as FAISS's guidelines have it: 1,024 for 100,000, 4,096 for a million.
std::size_t groups_for(std::size_t chunks) {
  const double groups = 4 * std::sqrt(static_cast<double>(chunks));
  return std::size_t{1} << static_cast<unsigned>(std::lround(std::log2(std::max(groups, 1.0))));
}

std::vector<std::vector<std::size_t>> rows_of(const std::vector<std::int64_t>& labels,
                                              std::size_t count) {
  std::vector<std::vector<std::size_t>> rows(labels.size() / count);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) rows[i / count].push_back(static_cast<std::size_t>(labels[i]));
  }
  return rows;
}

}  // namespace

std::vector<std::vector<std::size_t>> exact_nearest(const BenchCorpus& corpus, std::size_t count) {
  const std::size_t questions = corpus.questions.size();
  std::vector<float> scores(questions * count);
  std::vector<std::int64_t> labels(questions * count);
  faiss::float_minheap_array_t best{questions, count, labels.data(), scores.data()};
  faiss::knn_inner_product(corpus.question_vectors.data(), corpus.vectors.data(), corpus.dimensions,
                           questions, corpus.chunks(), &best);
  return rows_of(labels, count);
}

double recall_of(const std::vector<std::vector<std::size_t>>& found,
                 const std::vector<std::vector<std::size_t>>& wanted) {
  std::size_t hits = 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    all += wanted[i].size();
    const auto end =
        found[i].begin() + static_cast<std::ptrdiff_t>(std::min(found[i].size(), wanted[i].size()));
    for (const std::size_t row : wanted[i]) {
      hits += static_cast<std::size_t>(std::count(found[i].begin(), end, row));
    }
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

BareVectors::BareVectors(const BenchCorpus& corpus,
                         const std::vector<std::vector<std::size_t>>& exact, double recall_wanted)
    : corpus_{corpus},
      centroids_{
          std::make_unique<faiss::IndexFlatIP>(static_cast<std::int64_t>(corpus.dimensions))} {
  const Clock::Steady began = system_clock().now();
  const auto chunks = static_cast<std::int64_t>(corpus.chunks());
  const std::size_t groups = groups_for(corpus.chunks());
  index_ = std::make_unique<faiss::IndexIVFScalarQuantizer>(centroids_.get(), corpus.dimensions,
                                                            groups, faiss::ScalarQuantizer::QT_8bit,
                                                            faiss::METRIC_INNER_PRODUCT);
  index_->cp.niter = 10;
  index_->cp.max_points_per_centroid = kPointsPerCentroid;
  index_->train(chunks, corpus.vectors.data());
  for (std::size_t first = 0; first < corpus.chunks(); first += kAddedAtOnce) {
    const std::size_t count = std::min(kAddedAtOnce, corpus.chunks() - first);
    index_->add(static_cast<std::int64_t>(count),
                corpus.vectors.data() + first * corpus.dimensions);
  }
  build_seconds_ = std::chrono::duration<double>(system_clock().now() - began).count();

  std::vector<std::size_t> questions(corpus.questions.size());
  std::iota(questions.begin(), questions.end(), std::size_t{0});
  for (index_->nprobe = 1; index_->nprobe <= std::min(kProbesMax, groups); index_->nprobe *= 2) {
    recall_ = recall_of(nearest(questions), exact);
    if (recall_ >= recall_wanted) return;
  }
  index_->nprobe /= 2;  // as good as it gets
}

BareVectors::~BareVectors() = default;

std::vector<std::vector<std::size_t>> BareVectors::nearest(
    std::span<const std::size_t> questions) const {
  omp_set_num_threads(1);  // of this thread's calls: the askers are the threads
  std::vector<float> vectors;
  for (const std::size_t question : questions) {
    const auto vector = corpus_.question_vector(question);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  }
  std::vector<float> scores(questions.size() * kBenchTopK);
  std::vector<std::int64_t> labels(questions.size() * kBenchTopK);
  index_->search(static_cast<std::int64_t>(questions.size()), vectors.data(),
                 static_cast<std::int64_t>(kBenchTopK), scores.data(), labels.data());
  return rows_of(labels, kBenchTopK);
}

void BareVectors::ask(std::span<const std::size_t> questions) const {
  if (nearest(questions).size() != questions.size()) bench_failed("FAISS lost a question");
}

std::string BareVectors::description() const {
  return "IVF" + std::to_string(index_->nlist) + ",SQ8, nprobe " + std::to_string(index_->nprobe);
}

double BareVectors::bytes_per_chunk() const {
  const double centroids = static_cast<double>(index_->nlist * corpus_.dimensions * sizeof(float));
  return static_cast<double>(index_->code_size + sizeof(std::int64_t)) +
         centroids / static_cast<double>(corpus_.chunks());
}

}  // namespace millrace
