#include "gateway/dead_letter_json.h"

#include "common/ids.h"
#include "common/trace.h"
#include "gateway/document_json.h"
#include "gateway/stored_letter.h"

namespace millrace {
namespace {

void write_members(json::Writer& out, const DeadLetter& letter) {
  const std::string id = letter_id(letter.source);
  out.field("id", id)
      .field("state", letter.redriven ? "redriven" : "waiting")
      .field("stage", letter.stage)
      .field("kind", to_string(letter.error.kind))
      .field("message", letter.error.message)
      .field("attempts", letter.attempts)
      .field("at", format_time(letter.at))
      .field("topic", letter.source.source.topic)
      .field("partition", letter.source.source.partition)
      .field("offset", letter.source.offset)
      .field("bytes", letter.value_bytes);
  if (const auto document = document_of(letter)) {
    out.field("collection", document->collection)
        .field("document_id", document->document_id)
        .field("document_url", status_url(document->collection, document->document_id));
  }
  if (const auto trace = parse_traceparent(letter.source_header(headers::kTraceparent))) {
    out.field("trace_id", trace->trace_id);
  }
  const std::string_view from = letter.source_header(headers::kRedrivenFrom);
  if (!from.empty()) out.field("redriven_from", from);
  if (letter.redriven) {
    out.key("redriven")
        .begin_object()
        .field("at", format_time(letter.redriven->at))
        .field("by", letter.redriven->by)
        .field("revision", letter.redriven->revision)
        .end_object();
  } else {
    out.field("bytes_url", "/v1/dead-letters/" + id + "/bytes");
  }
}

// As text, or as base64 where it is none.
void write_text(json::Writer& out, const std::string& name, const std::string& bytes) {
  if (json::valid_utf8(bytes)) {
    out.field(name, bytes);
  } else {
    out.field(name + "_base64", base64_encode(bytes));
  }
}

}  // namespace

void write_json(json::Writer& out, const DeadLetter& letter) {
  out.begin_object();
  write_members(out, letter);
  out.end_object();
}

std::string to_json(const LetterPage& page) {
  json::Writer out;
  out.begin_object().key("dead_letters").begin_array();
  for (const DeadLetter& letter : page.letters) write_json(out, letter);
  out.end_array();
  if (!page.next.empty()) out.field("next", letter_cursor(page.next));
  out.end_object();
  return out.take();
}

std::string to_json(const LetterDetails& details) {
  json::Writer out;
  out.begin_object();
  write_members(out, details.letter);
  write_text(out, "key", details.letter.source_key);
  out.key("headers").begin_array();
  for (const Header& header : details.letter.source_headers) {
    out.begin_object().field("name", header.name);
    write_text(out, "value", header.value);
    out.end_object();
  }
  out.end_array();
  out.strings("history", details.history);
  out.end_object();
  return out.take();
}

std::string to_json(const LettersChanged& changed, std::string_view done) {
  json::Writer out;
  out.begin_object()
      .field(done, changed.done)
      .field("skipped", changed.skipped)
      .field("remaining", changed.remaining);
  out.key("reasons").begin_array();
  for (const LettersChanged::Skipped& each : changed.reasons) {
    out.begin_object().field("id", each.id).field("reason", each.reason).end_object();
  }
  out.end_array();
  if (!changed.next.empty()) out.field("next", letter_cursor(changed.next));
  out.end_object();
  return out.take();
}

}  // namespace millrace
