#include "gateway/document_json.h"

#include "common/ids.h"

namespace millrace {

std::string percent_encode_segment(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kHex[byte >> 4U];
    encoded += kHex[byte & 15U];
  }
  return encoded;
}

std::string status_url(std::string_view collection, std::string_view document_id) {
  return "/v1/collections/" + percent_encode_segment(collection) + "/documents/" +
         percent_encode_segment(document_id);
}

bool is_final(DocumentProgress::State state) {
  return state == DocumentProgress::State::indexed || state == DocumentProgress::State::deleted ||
         state == DocumentProgress::State::failed;
}

void write_json(json::Writer& out, const DocumentStatus& status) {
  const DocumentProgress& progress = status.progress;
  const DocumentRef& document = progress.document;
  out.begin_object()
      .field("id", document.document_id)
      .field("collection", document.collection)
      .field("state", to_string(progress.state))
      .field("revision", document.revision)
      .field("name", document.name)
      .field("title", document.title)
      .field("media_type", document.media_type)
      .field("bytes", document.bytes)
      .field("pages", progress.pages)
      .field("chunks", progress.chunks)
      .field("removal", progress.removal)
      .field("accepted_at", format_time(document.accepted_at))
      .field("updated_at", format_time(progress.at));
  out.key("metadata").raw(document.metadata.empty() ? "{}" : document.metadata);
  if (!document.allow.empty()) out.strings("allow", document.allow);
  if (progress.state == DocumentProgress::State::failed) {
    out.field("error", progress.error).field("error_stage", progress.error_stage);
  }
  out.field("status_url", status_url(document.collection, document.document_id)).end_object();
}

std::string to_json(const DocumentStatus& status) {
  json::Writer out;
  write_json(out, status);
  return out.take();
}

}  // namespace millrace
