#include "schemas/document.h"

#include <algorithm>
#include <array>

#include "schemas/codec.h"
#include "schemas/collection.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kDocumentIdBytesMax = 256;
constexpr std::size_t kRevisionBytesMax = 64;  // a ULID has 26

// C0, DEL, and C1 as UTF-8 writes it.
bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

std::int64_t count_code_points(std::string_view utf8) {
  return std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
}

constexpr std::array<Named<DocumentEvent::Operation>, 2> kOperations{
    {{"put", DocumentEvent::Operation::put}, {"remove", DocumentEvent::Operation::remove}}};

constexpr std::array<Named<Block::Kind>, 5> kBlockKinds{{{"heading", Block::Kind::heading},
                                                         {"paragraph", Block::Kind::paragraph},
                                                         {"list_item", Block::Kind::list_item},
                                                         {"table_row", Block::Kind::table_row},
                                                         {"code", Block::Kind::code}}};

void write_members(json::Writer& out, const Block& block) {
  out.field("kind", name_of(kBlockKinds, block.kind))
      .field("start", block.start)
      .field("end", block.end);
  if (block.page != 0) out.field("page", block.page);
  out.strings("headings", block.headings);
}

// Blocks are in order and do not overlap: each begins at or after `text_end`.
void read_block(json::ObjectReader& in, Block& block, std::int64_t& text_end) {
  read_enum(in, "kind", block.kind, kBlockKinds);
  read_integer(in, "start", block.start, text_end);
  read_integer(in, "end", block.end, block.start);
  read_page(in, block.page);
  in.required("headings", block.headings);
  text_end = block.end;
}

void read_blocks(json::ObjectReader& in, std::string_view text, std::vector<Block>& blocks) {
  const json::Value array = in.required_array("blocks");
  if (!array.exists()) return;
  std::int64_t end = 0;
  for (std::size_t i = 0; i < array.size() && !in.failed(); ++i) {
    json::ObjectReader inner{array[i], "blocks", json::ObjectReader::Unknown::ignore};
    read_block(inner, blocks.emplace_back(), end);
    if (Status status = inner.finish(); !status) in.fail(status.error().message);
  }
  if (!in.failed() && end > count_code_points(text)) in.fail("blocks end after the text");
}

}  // namespace

std::string document_key(const DocumentRef& document) {
  return document_key(document.collection, document.document_id);
}

std::string document_key(std::string_view collection, std::string_view document_id) {
  std::string key;
  key.reserve(collection.size() + 1 + document_id.size());
  return key.append(collection).append("/").append(document_id);
}

std::string_view collection_of(std::string_view document_key) {
  return document_key.substr(0, document_key.find('/'));
}

Status check_document_id(std::string_view document_id) {
  if (document_id.empty()) return rejected("a document id must not be empty");
  if (document_id.size() > kDocumentIdBytesMax) {
    return rejected("a document id has at most " + std::to_string(kDocumentIdBytesMax) +
                    " bytes; this one has " + std::to_string(document_id.size()));
  }
  if (!json::valid_utf8(document_id)) return rejected("a document id must be valid UTF-8");
  if (has_control_characters(document_id)) {
    return rejected("a document id must not hold control characters");
  }
  return {};
}

void write_members(json::Writer& out, const DocumentRef& document) {
  out.field("collection", document.collection)
      .field("document_id", document.document_id)
      .field("revision", document.revision)
      .field("name", document.name)
      .field("title", document.title)
      .field("media_type", document.media_type);
  write_embedded(out, "metadata", document.metadata);
  out.strings("allow", document.allow);
  write_time(out, "accepted_at_ms", document.accepted_at);
  out.field("bytes", document.bytes);
  if (document.sequence >= 0) out.field("sequence", document.sequence);
}

void read_members(json::ObjectReader& in, DocumentRef& document) {
  in.required("collection", document.collection);
  in.required("document_id", document.document_id);
  in.required("revision", document.revision);
  in.required("name", document.name);
  in.required("title", document.title);
  in.required("media_type", document.media_type);
  read_embedded(in, "metadata", document.metadata);
  in.required("allow", document.allow);
  read_time(in, "accepted_at_ms", document.accepted_at);
  read_integer(in, "bytes", document.bytes, 0);
  in.optional("sequence", document.sequence, 0);
  if (in.failed()) return;
  if (!valid_collection_name(document.collection)) in.fail("collection is no collection name");
  if (Status status = check_document_id(document.document_id); !status) {
    in.fail("document_id: " + status.error().message);
  }
  if (document.revision.empty() || document.revision.size() > kRevisionBytesMax ||
      has_control_characters(document.revision)) {
    in.fail("revision must have 1 to " + std::to_string(kRevisionBytesMax) +
            " bytes and no control characters");
  }
}

Result<DocumentRef> document_ref_from(const Record& record) {
  const Result<EventParts> parts = split_event(record, record.header(headers::kEventType));
  if (!parts) return parts.error();
  const Result<json::Document> event = json::Document::parse(parts->json, kEventLimits);
  if (!event) return event.error();
  json::ObjectReader in{event->root(), "event", json::ObjectReader::Unknown::ignore};
  DocumentRef document;
  read_object(in, "document", document);
  if (record.topic == topics::kDocuments) document.sequence = record.offset;
  if (Status status = in.finish(); !status) return status.error();
  return document;
}

Record to_record(const DocumentEvent& event) {
  json::Writer out;
  out.begin_object();
  write_object(out, "document", event.document);
  out.field("operation", name_of(kOperations, event.operation));
  write_body_bytes(out, event.content.size());
  out.end_object();
  return make_event(topics::kDocuments, document_key(event.document), DocumentEvent::kType,
                    out.take(), event.content);
}

Result<DocumentEvent> document_event_from(const Record& record) {
  return decode_event<DocumentEvent>(
      record, [&record](json::ObjectReader& in, std::string_view body, DocumentEvent& event) {
        read_object(in, "document", event.document);
        read_enum(in, "operation", event.operation, kOperations);
        if (event.operation == DocumentEvent::Operation::remove && !body.empty()) {
          in.fail("a removal has no body");
        }
        event.document.sequence = record.offset;
        event.content = body;
      });
}

Record to_record(const TextEvent& event) {
  json::Writer out;
  out.begin_object();
  write_object(out, "document", event.document);
  out.field("removed", event.removed).field("pages", event.pages);
  out.key("blocks").begin_array();
  for (const Block& block : event.blocks) {
    out.begin_object();
    write_members(out, block);
    out.end_object();
  }
  out.end_array();
  write_body_bytes(out, event.text.size());
  out.end_object();
  return make_event(topics::kTexts, document_key(event.document), TextEvent::kType, out.take(),
                    event.text);
}

Result<TextEvent> text_event_from(const Record& record) {
  return decode_event<TextEvent>(
      record, [](json::ObjectReader& in, std::string_view body, TextEvent& event) {
        read_object(in, "document", event.document);
        in.required("removed", event.removed);
        read_integer(in, "pages", event.pages, 0);
        if (!json::valid_utf8(body)) in.fail("the text is not valid UTF-8");
        read_blocks(in, body, event.blocks);
        if (event.removed && !body.empty()) in.fail("a removal has no text");
        event.text = body;
      });
}

}  // namespace millrace
