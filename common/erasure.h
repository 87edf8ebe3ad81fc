#pragma once

#include <chrono>

namespace millrace {

// What is deleted passes several places on its way out, one after the other: each has this part of
// the setting erase_within_ms to let go of it.
inline constexpr int kErasureSteps = 8;
inline std::chrono::milliseconds erasure_step(std::chrono::milliseconds erase_within) {
  return erase_within / kErasureSteps;
}

}  // namespace millrace
