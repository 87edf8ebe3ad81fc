#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log/record.h"
#include "schemas/event.h"

// What the codecs of this folder share. Readers keep the first mistake in the ObjectReader, as its
// own functions do, so that a codec reads top to bottom and looks once, at finish().
namespace millrace {

inline constexpr std::int64_t kInt32Max = INT32_MAX;

// Required, from `min` to `max`.
void read_integer(json::ObjectReader& in, std::string_view name, std::int64_t& out,
                  std::int64_t min, std::int64_t max = INT64_MAX);
void read_integer(json::ObjectReader& in, std::string_view name, std::int32_t& out,
                  std::int64_t min, std::int64_t max = kInt32Max);
// Required, from 0 to 1; the other one checks what was read.
void read_share(json::ObjectReader& in, std::string_view name, double& out);
void check_share(json::ObjectReader& in, std::string_view name, double value);
// The first generation is left out.
void write_generation(json::Writer& out, int generation);
void read_generation(json::ObjectReader& in, int& generation);
// From 1; absent is 0.
void read_page(json::ObjectReader& in, std::int32_t& out);

// Times are integers: milliseconds since 1970 in UTC.
void write_time(json::Writer& out, std::string_view name, Clock::Wall time);
void read_time(json::ObjectReader& in, std::string_view name, Clock::Wall& out);

// A JSON object kept as text, compact on one line as the grammar of events wants it. Empty is {}.
void write_embedded(json::Writer& out, std::string_view name, std::string_view object);
void read_embedded(json::ObjectReader& in, std::string_view name, std::string& out);

// Bytes that usually are text: NAME, or NAME_base64 where they are not valid UTF-8.
void write_bytes(json::Writer& out, std::string_view name, std::string_view bytes);
void read_bytes(json::ObjectReader& in, std::string_view name, std::string& out);

// Members body_bytes; left out when there is no body.
void write_body_bytes(json::Writer& out, std::size_t bytes);
void read_body_bytes(json::ObjectReader& in, std::string_view body);

// The values of an enum with their names on the wire.
template <class Enum>
struct Named {
  std::string_view name;
  Enum value;
};

template <class Enum, std::size_t kSize>
constexpr std::string_view name_of(const std::array<Named<Enum>, kSize>& table, Enum value) {
  for (const Named<Enum>& row : table) {
    if (row.value == value) return row.name;
  }
  return table.front().name;  // not reached: the tables are complete
}

// Whether there is one of that name.
template <class Enum, std::size_t kSize>
bool find_named(const std::array<Named<Enum>, kSize>& table, std::string_view name, Enum& out) {
  for (const Named<Enum>& row : table) {
    if (row.name != name) continue;
    out = row.value;
    return true;
  }
  return false;
}

template <class Enum, std::size_t kSize>
void read_enum(json::ObjectReader& in, std::string_view name, Enum& out,
               const std::array<Named<Enum>, kSize>& table) {
  std::string text;
  in.required(name, text);
  if (find_named(table, text, out)) return;
  std::string known;
  for (const Named<Enum>& row : table) {
    known += (known.empty() ? "" : ", ") + std::string{row.name};
  }
  in.fail(std::string{name} + " is " + json::quote(text) + "; known are " + known);
}

// A required member that is an object with its own read_members().
template <class T>
void read_object(json::ObjectReader& in, std::string_view name, T& out) {
  const json::Value value = in.required_object(name);
  if (!value.exists()) return;
  json::ObjectReader inner{value, name, json::ObjectReader::Unknown::ignore};
  read_members(inner, out);
  if (Status status = inner.finish(); !status) in.fail(status.error().message);
}

template <class T>
void write_object(json::Writer& out, std::string_view name, const T& content) {
  out.key(name).begin_object();
  write_members(out, content);
  out.end_object();
}

// A required array of objects that `read(ObjectReader&, T&)` reads.
template <class T, class Read>
void read_objects(json::ObjectReader& in, std::string_view name, std::vector<T>& out, Read&& read) {
  const json::Value array = in.required_array(name);
  if (!array.exists()) return;
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size() && !in.failed(); ++i) {
    json::ObjectReader inner{array[i], name, json::ObjectReader::Unknown::ignore};
    read(inner, out.emplace_back());
    if (Status status = inner.finish(); !status) in.fail(status.error().message);
  }
}

// Of such as have their own read_members().
template <class T>
void read_objects(json::ObjectReader& in, std::string_view name, std::vector<T>& out) {
  read_objects(in, name, out,
               [](json::ObjectReader& inner, T& each) { read_members(inner, each); });
}

// An object with its own read_members() that may be missing.
template <class T>
void read_optional(json::ObjectReader& in, std::string_view name, std::optional<T>& out) {
  const json::Value value = in.optional_object(name);
  if (!value.exists()) return;
  json::ObjectReader inner{value, name, json::ObjectReader::Unknown::ignore};
  read_members(inner, out.emplace());
  if (Status status = inner.finish(); !status) in.fail(status.error().message);
}

// Deeper than what clients may send (json::Limits), since events wrap it: metadata of passages.
inline constexpr json::Limits kEventLimits{.depth = 80};

// Splits, parses and reads a record: `read(ObjectReader&, body, event)`. Unknown members are passed
// over, since a newer writer of the same schema version may have added some.
template <class Event, class Read>
Result<Event> decode_event(const Record& record, Read&& read) {
  const Result<EventParts> parts = split_event(record, Event::kType);
  if (!parts) return parts.error();
  const Result<json::Document> document = json::Document::parse(parts->json, kEventLimits);
  if (!document) return with_context(Event::kType, document.error());
  json::ObjectReader in{document->root(), Event::kType, json::ObjectReader::Unknown::ignore};
  read_body_bytes(in, parts->body);
  Event event;
  read(in, parts->body, event);
  if (Status status = in.finish(); !status) return status.error();
  return event;
}

}  // namespace millrace
