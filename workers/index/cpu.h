#pragma once

#include <span>
#include <string_view>

#include "common/error.h"

namespace millrace {

struct CpuFeature {
  std::string_view name;
  bool present = false;
};

// Whether this machine has the instructions that FAISS was compiled with: `fatal`, saying which are
// missing and what to do, instead of a crash at the first search.
Status check_cpu();

// The same of any set of features.
Status check_cpu(std::span<const CpuFeature> wanted);

}  // namespace millrace
