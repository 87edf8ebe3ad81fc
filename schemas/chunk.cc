#include "schemas/chunk.h"

#include <algorithm>

#include "common/ids.h"
#include "schemas/codec.h"
#include "schemas/float16.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::int64_t kDimensionsMax = 65'536;
constexpr std::size_t kChunkIdDigits = 32;

void write_members(json::Writer& out, const Chunk& chunk) {
  out.field("chunk_id", chunk.chunk_id)
      .field("ordinal", chunk.ordinal)
      .field("start", chunk.start)
      .field("end", chunk.end);
  if (chunk.page != 0) out.field("page", chunk.page);
  out.strings("headings", chunk.headings).field("tokens", chunk.tokens).field("text", chunk.text);
}

void write_members(json::Writer& out, const ChunkEvent& event) {
  write_object(out, "document", event.document);
  out.field("removed", event.removed)
      .field("batch", event.batch)
      .field("batches", event.batches)
      .field("pages", event.pages)
      .field("chunks_total", event.chunks_total);
  out.key("chunks").begin_array();
  for (const Chunk& chunk : event.chunks) {
    out.begin_object();
    write_members(out, chunk);
    out.end_object();
  }
  out.end_array();
}

void read_vectors(json::ObjectReader& in, std::string_view body, EmbeddingEvent& event) {
  if (in.failed()) return;
  const std::size_t values =
      event.chunk_batch.chunks.size() * static_cast<std::size_t>(event.dimensions);
  if (body.size() != values * 2) {
    in.fail("the body has " + std::to_string(body.size()) + " bytes; the vectors of " +
            std::to_string(event.chunk_batch.chunks.size()) + " chunks have " +
            std::to_string(values * 2));
  } else if (!decode_float16(body, event.vectors)) {
    in.fail("a vector has a value that is not finite");
  }
}

}  // namespace

// Not in the anonymous namespace: codec.h's templates look it up in the type's own.
static void read_members(json::ObjectReader& in, Chunk& chunk) {
  in.required("chunk_id", chunk.chunk_id);
  read_integer(in, "ordinal", chunk.ordinal, 0);
  read_integer(in, "start", chunk.start, 0);
  read_integer(in, "end", chunk.end, chunk.start);
  read_page(in, chunk.page);
  in.required("headings", chunk.headings);
  read_integer(in, "tokens", chunk.tokens, 0);
  in.required("text", chunk.text);
}

static void read_members(json::ObjectReader& in, ChunkEvent& event) {
  read_object(in, "document", event.document);
  in.required("removed", event.removed);
  read_integer(in, "batches", event.batches, 1);
  read_integer(in, "batch", event.batch, 0, std::int64_t{event.batches} - 1);
  read_integer(in, "pages", event.pages, 0);
  read_integer(in, "chunks_total", event.chunks_total, 0);
  read_objects(in, "chunks", event.chunks);
  if (event.removed && !event.chunks.empty()) in.fail("a removal has no chunks");
}

std::string chunk_id_for(const DocumentRef& document, std::int64_t ordinal) {
  // None of the parts holds a NUL, so no two lists of parts give the same bytes.
  std::string identity = document.collection;
  for (const std::string& part :
       {document.document_id, document.revision, std::to_string(ordinal)}) {
    identity.push_back('\0');
    identity += part;
  }
  return sha256_hex(identity).substr(0, kChunkIdDigits);
}

std::string text_to_embed(const DocumentRef& document, const Chunk& chunk) {
  std::string text;
  for (const std::string& heading : chunk.headings) {
    if (!text.empty()) text += " > ";
    text += heading;
  }
  if (text.empty()) text = document.title;
  std::size_t cut = std::min(text.size(), kPrefixBytesMax);
  while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  text.resize(cut);
  if (!text.empty()) text += "\n";
  return text += chunk.text;
}

Record to_record(const ChunkEvent& event, int generation) {
  json::Writer out;
  out.begin_object();
  write_members(out, event);
  out.end_object();
  return make_event(topics::chunks(generation), document_key(event.document), ChunkEvent::kType,
                    out.take());
}

Result<ChunkEvent> chunk_event_from(const Record& record) {
  return decode_event<ChunkEvent>(
      record, [](json::ObjectReader& in, std::string_view body, ChunkEvent& event) {
        read_members(in, event);
        if (!body.empty()) in.fail("chunks have no body");
      });
}

std::string embedding_key(std::string_view document_key, std::string_view revision,
                          std::int32_t batch) {
  std::string key{document_key};
  key.push_back('\0');
  key += revision;
  key.push_back('\0');
  return key += std::to_string(batch);
}

Record to_record(const EmbeddingEvent& event, int generation) {
  const ChunkEvent& batch = event.chunk_batch;
  const std::string body = encode_float16(event.vectors);
  json::Writer out;
  out.begin_object();
  write_members(out, batch);
  out.field("model", event.model).field("dimensions", event.dimensions);
  write_body_bytes(out, body.size());
  out.end_object();
  return make_event(
      topics::embeddings(generation),
      embedding_key(document_key(batch.document), batch.document.revision, batch.batch),
      EmbeddingEvent::kType, out.take(), body);
}

Result<EmbeddingEvent> embedding_event_from(const Record& record) {
  return decode_event<EmbeddingEvent>(
      record, [](json::ObjectReader& in, std::string_view body, EmbeddingEvent& event) {
        read_members(in, event.chunk_batch);
        in.required("model", event.model);
        read_integer(in, "dimensions", event.dimensions, 0, kDimensionsMax);
        read_vectors(in, body, event);
      });
}

}  // namespace millrace
