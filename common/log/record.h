#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

using Offset = std::int64_t;

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

// For each partition the offset of the next record to read: one past the last one consumed.
using Offsets = std::map<TopicPartition, Offset>;

// Where one record stands in the log.
struct Position {
  TopicPartition source;
  Offset offset = -1;
  auto operator<=>(const Position&) const = default;
};

struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};

// One record of a topic. Whoever appends sets topic, key, value and headers; the log chooses the
// partition by the key's partition key (see TopicSpec), unless `partition` is already set, and
// sets offset and timestamp.
struct Record {
  std::string topic;
  std::int32_t partition = -1;  // -1: by key
  Offset offset = -1;           // -1: not in the log yet
  std::string key;
  std::string value;       // an event: a line of JSON, then raw bytes where it says so
  bool tombstone = false;  // compacted topics: the key is gone; `value` is empty
  std::vector<Header> headers;
  std::chrono::sys_time<std::chrono::milliseconds> timestamp{};

  // The header's value, or an empty view.
  std::string_view header(std::string_view name) const;
  void set_header(std::string_view name, std::string content);  // replaces one of the same name
  Position position() const { return {{topic, partition}, offset}; }
  std::size_t bytes() const;  // key, value and headers: what limits count
};

// Names of the headers that records carry.
namespace headers {
inline constexpr std::string_view kTraceparent = "traceparent";  // W3C Trace Context
inline constexpr std::string_view kEventType = "event-type";
inline constexpr std::string_view kSchemaVersion = "schema-version";
inline constexpr std::string_view kSource = "source";      // topic:partition:offset it came from
inline constexpr std::string_view kSegments = "segments";  // see segmented.h
// The dead letter that this was sent again from; on everything that comes of it.
inline constexpr std::string_view kRedrivenFrom = "redriven-from";
}  // namespace headers

}  // namespace millrace
