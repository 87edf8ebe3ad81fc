#pragma once

#include <cstdint>

#include "schemas/index_state.h"

namespace millrace {

// A collection's documents, as far as a caller may see them.
struct CollectionCounts {
  std::int64_t documents = 0;  // deleted ones left out
  std::int64_t chunks = 0;     // of those that are indexed
  std::int64_t pending = 0;
  std::int64_t failed = 0;
};

}  // namespace millrace
