#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// Grammar of a record's value:  value = json-object [ LF body ]
// The object is one line; `body` is there when the object has "body_bytes" and is exactly that
// long.
inline constexpr int kSchemaVersion = 1;

// The parts of a record's value, as views into the record.
struct EventParts {
  std::string_view json;
  std::string_view body;
};

// A record with the headers that every event carries (event-type, schema-version).
Record make_event(std::string_view topic, std::string key, std::string_view type,
                  std::string_view json, std::string_view body = {});

// `rejected` unless the record has this event type and a schema version that this program knows.
// Does not compare the body's length: the codec does, which knows body_bytes.
Result<EventParts> split_event(const Record& record, std::string_view type);

}  // namespace millrace
