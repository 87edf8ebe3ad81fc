#include "gateway/document_json.h"

#include "common/ids.h"
#include "common/percent_encoding.h"

namespace millrace {

std::string status_url(std::string_view collection, std::string_view document_id) {
  return "/v1/collections/" + percent_encode(collection) + "/documents/" +
         percent_encode(document_id);
}

bool is_final(DocumentProgress::State state) {
  return state == DocumentProgress::State::indexed || is_gone(state) ||
         state == DocumentProgress::State::failed;
}

bool is_gone(DocumentProgress::State state) {
  return state == DocumentProgress::State::deleted || state == DocumentProgress::State::erased;
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
