#include "gateway/cli/index_line.h"

#include <array>
#include <cstdio>

namespace millrace {
namespace {

std::string counted(std::int64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string{what} + (count == 1 ? "" : "s");
}

}  // namespace

std::int64_t count_of(json::Value object, std::string_view name) {
  const json::Value count = object.member(name);
  return count.is_integer() ? count.as_integer() : 0;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array kUnits{"kB", "MB", "GB", "TB", "PB"};
  constexpr double kStep = 1'000;
  if (bytes < static_cast<std::int64_t>(kStep)) return counted(bytes, "byte");
  double shown = static_cast<double>(bytes) / kStep;
  std::size_t unit = 0;
  while (shown >= kStep && unit + 1 < kUnits.size()) {
    shown /= kStep;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", shown, kUnits[unit]);
  return text.data();
}

std::string index_line(json::Value index) {
  if (!index.is_object()) return {};
  return "index: " + counted(count_of(index, "chunks"), "chunk") + " of " +
         counted(count_of(index, "documents"), "document") + " in " +
         counted(count_of(index, "segments"), "segment") + ", " +
         bytes_text(count_of(index, "disk_bytes")) + " on disk, " +
         bytes_text(count_of(index, "memory_bytes")) + " in memory, " +
         counted(count_of(index, "merges"), "merge");
}

}  // namespace millrace
