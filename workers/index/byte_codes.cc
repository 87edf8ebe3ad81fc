#include "workers/index/byte_codes.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "workers/index/inner_product.h"

namespace millrace {
namespace {

constexpr float kCodeMax = 255;
constexpr int kWeightMax = std::numeric_limits<std::int16_t>::max();

}  // namespace

void fit_bytes(std::span<const float> vectors, std::span<float> minimum, std::span<float> step) {
  const std::size_t dimensions = minimum.size();
  assert(!vectors.empty() && vectors.size() % dimensions == 0 && step.size() == dimensions);
  std::copy_n(vectors.begin(), dimensions, minimum.begin());
  std::copy_n(vectors.begin(), dimensions, step.begin());  // the greatest, for now
  for (std::size_t at = dimensions; at < vectors.size(); at += dimensions) {
    for (std::size_t i = 0; i < dimensions; ++i) {
      minimum[i] = std::min(minimum[i], vectors[at + i]);
      step[i] = std::max(step[i], vectors[at + i]);
    }
  }
  for (std::size_t i = 0; i < dimensions; ++i) step[i] = (step[i] - minimum[i]) / kCodeMax;
}

void encode_bytes(const ByteScale& scale, std::span<const float> vector,
                  std::span<std::uint8_t> codes) {
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const float steps = scale.step[i] > 0 ? (vector[i] - scale.minimum[i]) / scale.step[i] : 0.0F;
    codes[i] = static_cast<std::uint8_t>(std::clamp(steps, 0.0F, kCodeMax) + 0.5F);
  }
}

ByteQuery::ByteQuery(const ByteScale& scale, std::span<const float> query)
    : weights_(query.size()) {
  double greatest = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    base_ += double{query[i]} * scale.minimum[i];
    greatest = std::max(greatest, std::abs(double{query[i]} * scale.step[i]));
  }
  if (greatest == 0 || !std::isfinite(greatest)) return;  // base_ is no number then
  unit_ = greatest / kWeightMax;
  for (std::size_t i = 0; i < query.size(); ++i) {
    weights_[i] = static_cast<std::int16_t>(std::lround(double{query[i]} * scale.step[i] / unit_));
  }
}

float ByteQuery::score(const std::uint8_t* codes) const {
  const std::int64_t product = byte_product(weights_.data(), codes, weights_.size());
  return static_cast<float>(base_ + unit_ * static_cast<double>(product));
}

}  // namespace millrace
