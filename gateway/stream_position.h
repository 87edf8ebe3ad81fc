#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/log/record.h"

namespace millrace {

// Where an event of a stream stands in its topic; as an SSE id: PARTITION ":" OFFSET.
struct StreamPosition {
  std::int32_t partition = 0;
  Offset offset = -1;
  bool operator==(const StreamPosition&) const = default;

  std::string text() const;
};
// Empty for anything else.
std::optional<StreamPosition> parse_stream_position(std::string_view text);

}  // namespace millrace
