#include "schemas/dead_letter.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::array<Named<Error::Kind>, 4> kKinds{
    {{to_string(Error::Kind::retryable), Error::Kind::retryable},
     {to_string(Error::Kind::unavailable), Error::Kind::unavailable},
     {to_string(Error::Kind::rejected), Error::Kind::rejected},
     {to_string(Error::Kind::fatal), Error::Kind::fatal}}};

constexpr std::size_t kTopicBytesMax = 249;  // Kafka's
constexpr char kIdSeparator = '~';

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

// Takes the number behind the last separator.
template <class Number>
bool take_number(std::string_view& text, char separator, Number& out) {
  const auto at = text.rfind(separator);
  if (at == std::string_view::npos) return false;
  const std::string_view digits = text.substr(at + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  text = text.substr(0, at);
  return error == std::errc{} && end == digits.data() + digits.size() && out >= 0;
}

std::string joined(const Position& position, char separator) {
  return position.source.topic + separator + std::to_string(position.source.partition) + separator +
         std::to_string(position.offset);
}

std::optional<Position> split(std::string_view text, char separator) {
  Position position;
  if (!take_number(text, separator, position.offset) ||
      !take_number(text, separator, position.source.partition) || !is_topic_name(text)) {
    return std::nullopt;
  }
  position.source.topic = text;
  return position;
}

}  // namespace

// Not in the anonymous namespace: codec.h's templates look them up in the type's own.
static void write_members(json::Writer& out, const Position& position) {
  out.field("topic", position.source.topic)
      .field("partition", position.source.partition)
      .field("offset", position.offset);
}

static void read_members(json::ObjectReader& in, Position& position) {
  in.required("topic", position.source.topic);
  read_integer(in, "partition", position.source.partition, 0);
  read_integer(in, "offset", position.offset, 0);
}

static void write_members(json::Writer& out, const Header& header) {
  out.field("name", header.name);
  write_bytes(out, "value", header.value);
}

static void read_members(json::ObjectReader& in, Header& header) {
  in.required("name", header.name);
  read_bytes(in, "value", header.value);
}

static void write_members(json::Writer& out, const DeadLetter::Redriven& redriven) {
  write_time(out, "at_ms", redriven.at);
  out.field("by", redriven.by).field("revision", redriven.revision);
  write_object(out, "position", redriven.position);
  out.field("value_bytes", redriven.value_bytes);
}

static void read_members(json::ObjectReader& in, DeadLetter::Redriven& redriven) {
  read_time(in, "at_ms", redriven.at);
  in.required("by", redriven.by);
  in.required("revision", redriven.revision);
  read_object(in, "position", redriven.position);
  read_integer(in, "value_bytes", redriven.value_bytes, 0);
}

static void read_members(json::ObjectReader& in, DeadLetter& letter) {
  read_object(in, "source", letter.source);
  read_bytes(in, "source_key", letter.source_key);
  read_objects(in, "source_headers", letter.source_headers);
  in.required("stage", letter.stage);
  read_enum(in, "kind", letter.error.kind, kKinds);
  in.required("message", letter.error.message);
  read_integer(in, "attempts", letter.attempts, 1);
  read_time(in, "at_ms", letter.at);
  read_optional(in, "redriven", letter.redriven);
  if (letter.redriven) letter.value_bytes = letter.redriven->value_bytes;
}

std::string format_position(const Position& position) { return joined(position, ':'); }
std::optional<Position> parse_position(std::string_view text) { return split(text, ':'); }

std::string letter_id(const Position& source) { return joined(source, kIdSeparator); }
std::optional<Position> parse_letter_id(std::string_view id) { return split(id, kIdSeparator); }

std::string_view DeadLetter::source_header(std::string_view name) const {
  for (const Header& header : source_headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

Record DeadLetter::source_record() const {
  Record record;
  record.topic = source.source.topic;
  record.partition = source.source.partition;
  record.offset = source.offset;
  record.key = source_key;
  record.headers = source_headers;
  record.value = value;
  return record;
}

Record to_record(const DeadLetter& letter) {
  json::Writer out;
  out.begin_object();
  write_object(out, "source", letter.source);
  write_bytes(out, "source_key", letter.source_key);
  out.key("source_headers").begin_array();
  for (const Header& header : letter.source_headers) {
    out.begin_object();
    write_members(out, header);
    out.end_object();
  }
  out.end_array();
  out.field("stage", letter.stage)
      .field("kind", to_string(letter.error.kind))
      .field("message", letter.error.message)
      .field("attempts", letter.attempts);
  write_time(out, "at_ms", letter.at);
  const std::string_view body = letter.redriven ? std::string_view{} : letter.value;
  if (letter.redriven) write_object(out, "redriven", *letter.redriven);
  write_body_bytes(out, body.size());
  out.end_object();
  return make_event(topics::kDeadLetters, format_position(letter.source), DeadLetter::kType,
                    out.take(), body);
}

Record dead_letter_tombstone(const DeadLetter& letter) {
  Record record;
  record.topic = topics::kDeadLetters;
  record.key = format_position(letter.source);
  record.tombstone = true;
  return record;
}

Result<DeadLetter> dead_letter_from(const Record& record) {
  return decode_event<DeadLetter>(
      record, [](json::ObjectReader& in, std::string_view body, DeadLetter& letter) {
        read_members(in, letter);
        letter.value = body;
        if (!letter.redriven) letter.value_bytes = static_cast<std::int64_t>(body.size());
      });
}

Result<DeadLetter> dead_letter_head_from(std::string_view line) {
  const Result<json::Document> document = json::Document::parse(line, kEventLimits);
  if (!document) return with_context(DeadLetter::kType, document.error());
  json::ObjectReader in{document->root(), DeadLetter::kType, json::ObjectReader::Unknown::ignore};
  DeadLetter letter;
  read_members(in, letter);
  if (!letter.redriven) in.optional("body_bytes", letter.value_bytes, 0);
  if (Status status = in.finish(); !status) return status.error();
  return letter;
}

}  // namespace millrace
