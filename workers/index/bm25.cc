#include "workers/index/bm25.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

float at_least(float value, float least) { return value > least ? value : least; }  // NaN: least

}  // namespace

float bm25_idf(std::uint64_t rows, std::uint64_t document_frequency) {
  const std::uint64_t having = std::min(rows, document_frequency);
  const auto with = static_cast<double>(having);
  const auto without = static_cast<double>(rows - having);
  return static_cast<float>(std::log1p((without + 0.5) / (with + 0.5)));
}

float bm25_mean_length(std::uint64_t rows, std::uint64_t terms) {
  if (rows == 0 || terms == 0) return 1;
  return static_cast<float>(static_cast<double>(terms) / static_cast<double>(rows));
}

float bm25_norm(const Bm25& bm25, std::int64_t length, float mean_length) {
  const float k1 = at_least(bm25.k1, 0);
  const float b = std::min(at_least(bm25.b, 0), 1.0F);
  const float mean = mean_length > 0 ? mean_length : 1.0F;
  return at_least(k1 * ((1.0F - b) + b * (static_cast<float>(length) / mean)), 0);
}

}  // namespace millrace
