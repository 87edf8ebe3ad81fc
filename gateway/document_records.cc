#include "gateway/document_records.h"

#include <unordered_map>

#include "common/ids.h"
#include "schemas/erasure.h"

namespace millrace {
namespace {

constexpr std::size_t kHashIdLength = 32;  // 128 bits of SHA-256

void add(DocumentRecords& out, DocumentEvent event, const std::string& traceparent) {
  DocumentProgress& progress = out.progress.emplace_back();
  progress.document = event.document;
  progress.at = event.document.accepted_at;
  progress.removal = event.operation == DocumentEvent::Operation::remove;
  out.accepted.push_back({event.document.document_id, event.document.revision});
  out.records.push_back(to_record(event));
  out.records.back().set_header(headers::kTraceparent, traceparent);
}

}  // namespace

Reply<DocumentRecords> accept_records(const Clock& clock, const std::string& collection,
                                      const std::string& traceparent,
                                      std::vector<NewDocument> documents) {
  DocumentRecords out;
  std::unordered_map<std::string, std::size_t> seen;  // id: index in `accepted`
  for (std::size_t i = 0; i < documents.size(); ++i) {
    NewDocument& given = documents[i];
    const bool own_id = !given.id.empty();
    if (!own_id) given.id = sha256_hex(given.content).substr(0, kHashIdLength);
    const std::string where = "documents[" + std::to_string(i) + "].id";
    if (const Status valid = check_document_id(given.id); !valid) {
      return bad_field(where, valid.error().message);
    }
    const auto [known, fresh] = seen.emplace(given.id, out.accepted.size());
    if (!fresh && own_id) return bad_field(where, "is given twice in one request");
    if (!fresh) {  // the same content twice: one document
      out.accepted.push_back(out.accepted[known->second]);
      continue;
    }
    DocumentEvent event;
    event.document.collection = collection;
    event.document.document_id = std::move(given.id);
    event.document.revision = new_ulid(clock);
    event.document.name = std::move(given.name);
    event.document.title = std::move(given.title);
    event.document.media_type = std::move(given.media_type);
    event.document.metadata = std::move(given.metadata);
    event.document.allow = std::move(given.allow);
    event.document.accepted_at = clock.wall_now();
    event.document.bytes = static_cast<std::int64_t>(given.content.size());
    event.content = std::move(given.content);
    add(out, std::move(event), traceparent);
  }
  return out;
}

DocumentRecords removal_records(const Clock& clock, const std::string& traceparent,
                                const std::vector<DocumentRef>& documents) {
  DocumentRecords out;
  for (const DocumentRef& document : documents) {
    DocumentEvent event;
    event.operation = DocumentEvent::Operation::remove;
    event.document = without_content(document);
    event.document.sequence = -1;
    event.document.revision = new_ulid(clock);
    event.document.accepted_at = clock.wall_now();
    add(out, std::move(event), traceparent);
  }
  return out;
}

}  // namespace millrace
