#include "workers/model/batch_plan.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace millrace {
namespace {

// Below this an inference's fixed cost shows: 64 rows of 4 and one of 256 take the same time.
constexpr std::size_t kBatchTokensMin = 256;

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

std::size_t padded_length(std::size_t tokens, std::size_t length_max) {
  // Steps of an eighth to a quarter of the length: 24 lengths up to 256.
  const std::size_t step = tokens <= 32 ? 4 : tokens <= 64 ? 8 : 16;
  return std::max<std::size_t>(1, std::min(round_up(tokens, step), std::max(tokens, length_max)));
}

std::vector<PlannedBatch> plan_batches(std::span<const std::size_t> tokens,
                                       const BatchPlanOptions& options) {
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tokens[a] > tokens[b]; });
  std::size_t total = 0;
  for (const std::size_t count : tokens) total += padded_length(count, options.length_max);
  const std::size_t share = total / std::max<std::size_t>(1, options.encoders);
  const std::size_t budget = std::min(options.batch_tokens, std::max(share, kBatchTokensMin));

  std::vector<PlannedBatch> out;
  for (std::size_t at = 0; at < order.size();) {
    PlannedBatch batch;
    batch.length = padded_length(tokens[order[at]], options.length_max);
    const std::size_t fitting = std::max<std::size_t>(1, budget / batch.length);
    const std::size_t rows = std::bit_floor(std::min(fitting, order.size() - at));
    batch.texts.assign(order.begin() + static_cast<std::ptrdiff_t>(at),
                       order.begin() + static_cast<std::ptrdiff_t>(at + rows));
    out.push_back(std::move(batch));
    at += rows;
  }
  return out;
}

}  // namespace millrace
