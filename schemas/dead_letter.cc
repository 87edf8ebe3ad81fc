#include "schemas/dead_letter.h"

#include <array>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::array<Named<Error::Kind>, 4> kKinds{
    {{to_string(Error::Kind::retryable), Error::Kind::retryable},
     {to_string(Error::Kind::unavailable), Error::Kind::unavailable},
     {to_string(Error::Kind::rejected), Error::Kind::rejected},
     {to_string(Error::Kind::fatal), Error::Kind::fatal}}};

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

std::string format_position(const Position& position) {
  return position.source.topic + ":" + std::to_string(position.source.partition) + ":" +
         std::to_string(position.offset);
}

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
