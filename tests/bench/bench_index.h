#pragma once

#include <string>
#include <string_view>

namespace millrace {

inline constexpr std::string_view kBenchCollection = "bench";
inline constexpr std::size_t kBenchTopK = 10;

// Ends the process.
[[noreturn]] void bench_failed(const std::string& message);

}  // namespace millrace
