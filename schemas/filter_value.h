#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

// Values of metadata as keys: strings of bytes whose order is the order of the values, so that a
// condition is a range of keys, and a segment's dictionary one sorted list.
//   key    = field 00 01                the field is there
//          | field 00 01 00             and has more than one value
//          | field 00 01 type value
//   field  = names joined by dots, a byte 00 in them as 00 FF
//   type   = 01 boolean | 02 number | 03 time | 04 string
namespace millrace {

// What is kept of one document. Of a document that has more, what was left out is unknown: it
// satisfies no condition, and no negated one either.
inline constexpr std::size_t kMetadataFieldsMax = 256;
inline constexpr std::size_t kMetadataValuesMax = 1'024;    // of all fields together
inline constexpr std::size_t kMetadataFieldBytesMax = 256;  // names with their dots
// Strings of a filter are not longer. Of longer ones in metadata the beginning is kept, with a
// mark: they are equal to nothing that can be asked for, and in the right order with it.
inline constexpr std::size_t kMetadataStringBytesMax = 1'024;

enum class ValueType : char { boolean = 1, number = 2, time = 3, string = 4 };

// The begin of all keys of the field, and the key that says it is there.
std::string field_key(std::string_view field);

// The key that says that the field has more than one value.
std::string several_key(std::string_view field);

// Type and value, to be put behind field_key(). Of a string, number or boolean.
std::string value_key(json::Value value);
inline ValueType type_of(std::string_view value_key) {
  return static_cast<ValueType>(value_key.front());
}

// RFC 3339: a date (its midnight in UTC) or a date and time; one without a zone is UTC.
struct Instant {
  std::int64_t seconds = 0;   // since 1970
  std::string_view fraction;  // digits of a second, of the text given, without zeros at the end
  bool operator==(const Instant&) const = default;
};
std::optional<Instant> parse_instant(std::string_view text);

struct MetadataKeys {
  std::vector<std::string> keys;  // sorted, each once
  bool complete = true;           // nothing was left out
};
// Of a JSON object; nothing counts as an empty one, and of anything else all is unknown.
MetadataKeys metadata_keys(std::string_view metadata);

}  // namespace millrace
