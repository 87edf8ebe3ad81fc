#pragma once

#include <cstddef>
#include <span>

namespace millrace {

// Mean of the first `tokens` rows of `hidden` (rows of `out.size()` floats, at least one), scaled
// to length 1. False when the result is not finite.
bool mean_pool(std::span<const float> hidden, std::size_t tokens, std::span<float> out);

}  // namespace millrace
