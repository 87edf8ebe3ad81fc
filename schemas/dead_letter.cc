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

std::string format_position(const Position& position) {
  return position.source.topic + ":" + std::to_string(position.source.partition) + ":" +
         std::to_string(position.offset);
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
  write_body_bytes(out, letter.value.size());
  out.end_object();
  return make_event(topics::kDeadLetters, format_position(letter.source), DeadLetter::kType,
                    out.take(), letter.value);
}

Result<DeadLetter> dead_letter_from(const Record& record) {
  return decode_event<DeadLetter>(
      record, [](json::ObjectReader& in, std::string_view body, DeadLetter& letter) {
        read_object(in, "source", letter.source);
        read_bytes(in, "source_key", letter.source_key);
        read_objects(in, "source_headers", letter.source_headers);
        in.required("stage", letter.stage);
        read_enum(in, "kind", letter.error.kind, kKinds);
        in.required("message", letter.error.message);
        read_integer(in, "attempts", letter.attempts, 1);
        read_time(in, "at_ms", letter.at);
        letter.value = body;
      });
}

}  // namespace millrace
