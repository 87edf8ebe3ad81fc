#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// How a letter was sent on its way again.
struct LetterRedriven {
  Clock::Wall at{};
  std::string by;        // the API key's name; empty where none is configured
  std::string revision;  // that the document has got with it
  Position position;     // of that in `documents`
  std::int64_t value_bytes = 0;
  bool operator==(const LetterRedriven&) const = default;
};

// Topic `dead-letters`, key: TOPIC:PARTITION:OFFSET of the source. The body is the source record's
// value, byte for byte (segments joined). A letter that was sent again is written once more under
// its key, without the body; one that was purged is a tombstone.
struct DeadLetter {
  using Redriven = LetterRedriven;

  Position source;
  std::string source_key;
  std::vector<Header> source_headers;
  std::string stage;
  Error error;
  std::int32_t attempts = 1;
  Clock::Wall at{};
  std::optional<Redriven> redriven;
  std::string value;             // empty once it was sent again
  std::int64_t value_bytes = 0;  // of the source record's value, also where `value` is left out
  static constexpr std::string_view kType = "dead-letter";

  // Of the source record; empty when there is none.
  std::string_view source_header(std::string_view name) const;
  // The record that was given up, to be read as what it was.
  Record source_record() const;
};
Record to_record(const DeadLetter& letter);
Record dead_letter_tombstone(const DeadLetter& letter);
Result<DeadLetter> dead_letter_from(const Record& record);
// Out of the event's line alone: all but `value`.
Result<DeadLetter> dead_letter_head_from(std::string_view line);

std::string format_position(const Position& position);  // TOPIC:PARTITION:OFFSET
std::optional<Position> parse_position(std::string_view text);

// The id of a letter as clients have it: TOPIC "~" PARTITION "~" OFFSET of the source record, which
// needs no escape in a URL.
std::string letter_id(const Position& source);
std::optional<Position> parse_letter_id(std::string_view id);

}  // namespace millrace
