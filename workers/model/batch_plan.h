#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// One inference: `rows` texts, each padded to `length` tokens. `texts` are their numbers.
struct PlannedBatch {
  std::size_t length = 0;
  std::vector<std::size_t> texts;
};

struct BatchPlanOptions {
  std::size_t batch_tokens = 2048;  // padded tokens of one inference; a longer text goes alone
  std::size_t length_max = 256;     // no padding beyond
  std::size_t encoders = 1;         // that work side by side
};

// The length a text of `tokens` tokens is padded to: a few lengths only, since each new shape costs
// the runtime a compilation and memory.
std::size_t padded_length(std::size_t tokens, std::size_t length_max);

// Every text once, longest first, in batches whose number of rows is a power of two (for the same
// reason). Small jobs are cut finer, so that every encoder has something to do.
std::vector<PlannedBatch> plan_batches(std::span<const std::size_t> tokens,
                                       const BatchPlanOptions& options);

}  // namespace millrace
