#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/segmented.h"
#include "workers/runtime/stage.h"
#include "workers/sweeper/sweep_state.h"

namespace millrace {

inline constexpr std::string_view kTestTopic = "documents";

// KEY NUL SET NUL N.
inline std::string segment_key_of(std::string_view key, std::string_view set, std::size_t number) {
  return std::string{key} + '\0' + std::string{set} + '\0' + std::to_string(number);
}

inline Record plain_record(std::string_view key) {
  Record record;
  record.topic = kTestTopic;
  record.partition = 0;
  record.key = key;
  record.value = "value";
  return record;
}

inline Record tombstone_of(std::string_view key) {
  Record record = plain_record(key);
  record.value.clear();
  record.tombstone = true;
  return record;
}

inline Record earlier_segment(std::string_view segment_key) {
  Record record = plain_record(segment_key);
  record.set_header(headers::kSegments, "part");
  return record;
}

inline Record last_segment(std::string_view key, const std::vector<Offset>& earlier) {
  Record record = plain_record(key);
  std::string list;
  for (const Offset each : earlier) list += (list.empty() ? "" : ",") + std::to_string(each);
  record.set_header(headers::kSegments, list);
  return record;
}

inline std::unique_ptr<SweepState> open_state(const std::filesystem::path& directory) {
  Result<std::unique_ptr<SweepState>> state = SweepState::open(directory);
  if (!state) throw std::runtime_error{state.error().message};
  return *std::move(state);
}

}  // namespace millrace
