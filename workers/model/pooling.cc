#include "workers/model/pooling.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace millrace {

bool mean_pool(std::span<const float> hidden, std::size_t tokens, std::span<float> out) {
  assert(tokens > 0 && hidden.size() >= tokens * out.size());
  std::fill(out.begin(), out.end(), 0.0F);
  for (std::size_t row = 0; row < tokens; ++row) {
    const float* values = hidden.data() + row * out.size();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += values[i];
  }
  double squares = 0;
  for (const float value : out) squares += static_cast<double>(value) * static_cast<double>(value);
  if (!std::isfinite(squares) || squares <= 0) return false;
  const auto scale = static_cast<float>(1.0 / std::sqrt(squares));
  for (float& value : out) value *= scale;
  return true;
}

}  // namespace millrace
