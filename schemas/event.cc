#include "schemas/event.h"

#include <utility>

#include "common/ids.h"
#include "schemas/codec.h"

namespace millrace {

Record make_event(std::string_view topic, std::string key, std::string_view type,
                  std::string_view json, std::string_view body) {
  Record record;
  record.topic = topic;
  record.key = std::move(key);
  record.value.reserve(json.size() + 1 + body.size());
  record.value = json;
  if (!body.empty()) record.value.append("\n").append(body);
  record.set_header(headers::kEventType, std::string{type});
  record.set_header(headers::kSchemaVersion, std::to_string(kSchemaVersion));
  return record;
}

Result<EventParts> split_event(const Record& record, std::string_view type) {
  const auto wrong = [&](std::string message) {
    return rejected(std::string{type} + " event: " + std::move(message));
  };
  if (record.tombstone) return wrong("the record is a tombstone");
  const std::string_view found = record.header(headers::kEventType);
  if (found != type) {
    return wrong("the record's header " + std::string{headers::kEventType} + " is \"" +
                 std::string{found} + "\"");
  }
  const std::string_view version = record.header(headers::kSchemaVersion);
  if (version != std::to_string(kSchemaVersion)) {
    return wrong("the record has schema version \"" + std::string{version} +
                 "\"; this program knows version " + std::to_string(kSchemaVersion));
  }
  const std::string_view value{record.value};
  const std::size_t newline = value.find('\n');
  if (newline == std::string_view::npos) return EventParts{value, {}};
  return EventParts{value.substr(0, newline), value.substr(newline + 1)};
}

void read_integer(json::ObjectReader& in, std::string_view name, std::int64_t& out,
                  std::int64_t min, std::int64_t max) {
  in.required(name, out);
  if (in.failed() || (out >= min && out <= max)) return;
  in.fail(std::string{name} + " is " + std::to_string(out) + "; it must be from " +
          std::to_string(min) + " to " + std::to_string(max));
}

void read_integer(json::ObjectReader& in, std::string_view name, std::int32_t& out,
                  std::int64_t min, std::int64_t max) {
  std::int64_t wide = 0;
  read_integer(in, name, wide, min, max);
  if (!in.failed()) out = static_cast<std::int32_t>(wide);
}

void read_share(json::ObjectReader& in, std::string_view name, double& out) {
  in.required(name, out);
  check_share(in, name, out);
}

void check_share(json::ObjectReader& in, std::string_view name, double value) {
  if (in.failed() || (value >= 0 && value <= 1)) return;
  in.fail(std::string{name} + " must be from 0 to 1");
}

void read_page(json::ObjectReader& in, std::int32_t& out) {
  std::int64_t page = 0;
  if (in.optional("page", page, 1, kInt32Max)) out = static_cast<std::int32_t>(page);
}

void write_generation(json::Writer& out, int generation) {
  if (generation != 1) out.field("generation", std::int32_t{generation});
}
void read_generation(json::ObjectReader& in, int& generation) {
  std::int64_t number = 1;
  if (in.optional("generation", number, 2, kInt32Max)) generation = static_cast<int>(number);
}

void write_time(json::Writer& out, std::string_view name, Clock::Wall time) {
  out.field(name, std::int64_t{time.time_since_epoch().count()});
}

void read_time(json::ObjectReader& in, std::string_view name, Clock::Wall& out) {
  std::int64_t milliseconds = 0;
  read_integer(in, name, milliseconds, 0);
  out = Clock::Wall{std::chrono::milliseconds{milliseconds}};
}

void write_embedded(json::Writer& out, std::string_view name, std::string_view object) {
  // Line breaks are only ever white space between tokens: inside strings JSON escapes them.
  std::string line{object.empty() ? std::string_view{"{}"} : object};
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  out.key(name).raw(line);
}

void read_embedded(json::ObjectReader& in, std::string_view name, std::string& out) {
  const json::Value value = in.required_object(name);
  if (value.exists()) out = value.serialize();
}

void write_bytes(json::Writer& out, std::string_view name, std::string_view bytes) {
  if (json::valid_utf8(bytes)) {
    out.field(name, bytes);
  } else {
    out.field(std::string{name} + "_base64", base64_encode(bytes));
  }
}

void read_bytes(json::ObjectReader& in, std::string_view name, std::string& out) {
  const std::string base64_name = std::string{name} + "_base64";
  std::string base64;
  if (!in.optional(base64_name, base64)) {
    in.required(name, out);
  } else if (!base64_decode(base64, out)) {
    in.fail(base64_name + " is not base64");
  }
}

void write_body_bytes(json::Writer& out, std::size_t bytes) {
  if (bytes > 0) out.field("body_bytes", static_cast<std::int64_t>(bytes));
}

void read_body_bytes(json::ObjectReader& in, std::string_view body) {
  std::int64_t bytes = 0;
  in.optional("body_bytes", bytes, 0);
  if (in.failed() || static_cast<std::uint64_t>(bytes) == body.size()) return;
  in.fail("body_bytes is " + std::to_string(bytes) + ", the record's body has " +
          std::to_string(body.size()) + " bytes");
}

}  // namespace millrace
