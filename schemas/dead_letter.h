#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// Topic `dead-letters`, key: TOPIC:PARTITION:OFFSET of the source. The body is the source record's
// value, byte for byte (segments joined).
struct DeadLetter {
  Position source;
  std::string source_key;
  std::vector<Header> source_headers;
  std::string stage;
  Error error;
  std::int32_t attempts = 1;
  Clock::Wall at{};
  std::string value;
  static constexpr std::string_view kType = "dead-letter";
};
Record to_record(const DeadLetter& letter);
Result<DeadLetter> dead_letter_from(const Record& record);
std::string format_position(const Position& position);  // TOPIC:PARTITION:OFFSET

}  // namespace millrace
