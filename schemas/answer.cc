#include "schemas/answer.h"

#include <array>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using Type = AnswerEvent::Type;

constexpr std::array<Named<Type>, 6> kTypes{{{"started", Type::started},
                                             {"passages", Type::passages},
                                             {"delta", Type::delta},
                                             {"reset", Type::reset},
                                             {"completed", Type::completed},
                                             {"failed", Type::failed}}};

void write_passages(json::Writer& out, const std::vector<Passage>& passages) {
  out.key("passages").begin_array();
  for (const Passage& passage : passages) write_json(out, passage);
  out.end_array();
}

double milliseconds(std::int64_t microseconds) {
  return static_cast<double>(microseconds) / 1000.0;
}

// What belongs to the event's type, as the log keeps it.
void write_type_members(json::Writer& out, const AnswerEvent& event) {
  switch (event.type) {
    case Type::started:
      break;
    case Type::passages:
      write_passages(out, event.passages);
      out.field("partial", event.partial)
          .field("embedding_us", event.embedding_us)
          .field("search_us", event.search_us);
      if (event.provenance) write_object(out, "provenance", *event.provenance);
      break;
    case Type::delta:
      out.field("text", event.text);
      break;
    case Type::reset:
      out.field("reason", event.reason);
      break;
    case Type::completed:
      write_object(out, "answer", event.answer);
      break;
    case Type::failed:
      out.field("reason", event.reason).field("message", event.message);
      break;
  }
}

}  // namespace

// Not in the anonymous namespace: codec.h's templates look them up in the type's own.
static void read_members(json::ObjectReader& in, Citation& citation) {
  read_integer(in, "number", citation.number, 1);
  in.required("document_id", citation.document_id);
  in.required("revision", citation.revision);
  in.required("chunk_id", citation.chunk_id);
  in.required("title", citation.title);
  read_page(in, citation.page);
  read_integer(in, "start", citation.start, 0);
  read_integer(in, "end", citation.end, citation.start);
  in.required("quote", citation.quote);
}

static void write_members(json::Writer& out, const Usage& usage) {
  out.field("prompt_tokens", usage.prompt_tokens)
      .field("completion_tokens", usage.completion_tokens);
}

static void read_members(json::ObjectReader& in, Usage& usage) {
  read_integer(in, "prompt_tokens", usage.prompt_tokens, 0);
  read_integer(in, "completion_tokens", usage.completion_tokens, 0);
}

static void read_members(json::ObjectReader& in, Answer& answer) {
  in.required("answer", answer.text);
  read_objects(in, "citations", answer.citations);
  in.required("confidence", answer.confidence);
  in.required("refused", answer.refused);
  in.required("needs_human_review", answer.needs_human_review);
  in.required("partial", answer.partial);
  in.required("model", answer.model);
  read_object(in, "usage", answer.usage);
  read_integer(in, "took_ms", answer.took_ms, 0);
}

static void read_type_members(json::ObjectReader& in, AnswerEvent& event) {
  switch (event.type) {
    case Type::started:
      break;
    case Type::passages:
      read_objects(in, "passages", event.passages);
      in.required("partial", event.partial);
      read_integer(in, "embedding_us", event.embedding_us, 0);
      read_integer(in, "search_us", event.search_us, 0);
      read_optional(in, "provenance", event.provenance);
      break;
    case Type::delta:
      in.required("text", event.text);
      break;
    case Type::reset:
      in.required("reason", event.reason);
      break;
    case Type::completed:
      read_object(in, "answer", event.answer);
      break;
    case Type::failed:
      in.required("reason", event.reason);
      in.required("message", event.message);
      break;
  }
}

std::string_view to_string(AnswerEvent::Type type) { return name_of(kTypes, type); }

void write_json(json::Writer& out, const Citation& citation) {
  out.begin_object()
      .field("number", citation.number)
      .field("document_id", citation.document_id)
      .field("revision", citation.revision)
      .field("chunk_id", citation.chunk_id)
      .field("title", citation.title);
  if (citation.page != 0) out.field("page", citation.page);
  out.field("start", citation.start)
      .field("end", citation.end)
      .field("quote", citation.quote)
      .end_object();
}

void write_members(json::Writer& out, const Answer& answer) {
  out.field("answer", answer.text);
  out.key("citations").begin_array();
  for (const Citation& citation : answer.citations) write_json(out, citation);
  out.end_array();
  out.field("confidence", answer.confidence)
      .field("refused", answer.refused)
      .field("needs_human_review", answer.needs_human_review)
      .field("partial", answer.partial)
      .field("model", answer.model);
  write_object(out, "usage", answer.usage);
  out.field("took_ms", answer.took_ms);
}

Record to_record(const AnswerEvent& event) {
  json::Writer out;
  out.begin_object()
      .field("query_id", event.query_id)
      .field("attempt", event.attempt)
      .field("index", event.index)
      .field("type", to_string(event.type))
      .field("last", event.last);
  write_type_members(out, event);
  out.end_object();
  return make_event(topics::kAnswers, event.query_id, AnswerEvent::kType, out.take());
}

Result<AnswerEvent> answer_event_from(const Record& record) {
  return decode_event<AnswerEvent>(
      record, [](json::ObjectReader& in, std::string_view, AnswerEvent& event) {
        in.required("query_id", event.query_id);
        read_integer(in, "attempt", event.attempt, 1);
        read_integer(in, "index", event.index, 0);
        read_enum(in, "type", event.type, kTypes);
        in.required("last", event.last);
        read_type_members(in, event);
      });
}

std::string client_json(const AnswerEvent& event) {
  json::Writer out;
  out.begin_object();
  switch (event.type) {
    case Type::started:
      out.field("query_id", event.query_id);
      break;
    case Type::passages:
      out.field("index", event.index);
      write_passages(out, event.passages);
      out.field("partial", event.partial).key("timings").begin_object();
      out.field("embedding_ms", milliseconds(event.embedding_us))
          .field("search_ms", milliseconds(event.search_us))
          .end_object();
      break;
    case Type::delta:
      out.field("index", event.index).field("text", event.text);
      break;
    case Type::reset:
      out.field("reason", event.reason);
      break;
    case Type::completed:
      out.field("index", event.index);
      write_members(out, event.answer);
      break;
    case Type::failed:
      out.field("reason", event.reason).field("message", event.message);
      break;
  }
  out.end_object();
  return out.take();
}

Record to_record(const Transcript& transcript) {
  json::Writer out;
  out.begin_object();
  write_object(out, "query", transcript.query);
  out.field("outcome", transcript.outcome).field("message", transcript.message);
  write_passages(out, transcript.passages);
  write_object(out, "answer", transcript.answer);
  write_time(out, "finished_at_ms", transcript.finished_at);
  if (transcript.provenance) write_object(out, "provenance", *transcript.provenance);
  out.end_object();
  return make_event(topics::kTranscripts, transcript.query.query_id, Transcript::kType, out.take());
}

Result<Transcript> transcript_from(const Record& record) {
  return decode_event<Transcript>(
      record, [](json::ObjectReader& in, std::string_view, Transcript& transcript) {
        read_object(in, "query", transcript.query);
        in.required("outcome", transcript.outcome);
        in.required("message", transcript.message);
        read_objects(in, "passages", transcript.passages);
        read_object(in, "answer", transcript.answer);
        read_time(in, "finished_at_ms", transcript.finished_at);
        read_optional(in, "provenance", transcript.provenance);
      });
}

}  // namespace millrace
