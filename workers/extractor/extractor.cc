#include "workers/extractor/extractor.h"

#include <cassert>
#include <string>
#include <utility>

#include "schemas/document.h"

namespace millrace {
namespace {

constexpr std::string_view kStageName = "extractor";

Error no_text(const Format& format) {
  return rejected(format.name == "pdf"
                      ? "no text found: the PDF may be made of scanned images; upload a copy with "
                        "a text layer"
                      : "no text found: the file holds nothing to read");
}

}  // namespace

Extractor::Extractor(std::unique_ptr<Sandbox> sandbox, const Clock& clock)
    : sandbox_{std::move(sandbox)}, clock_{clock} {
  assert(sandbox_ != nullptr);
}

std::vector<Result<Outputs>> Extractor::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (const Record& record : batch) results.push_back(process_one(record));
  return results;
}

Result<Outputs> Extractor::process_one(const Record& record) {
  Result<DocumentEvent> event = document_event_from(record);
  if (!event) return event.error();
  if (event->operation == DocumentEvent::Operation::put) return extract(*event);
  TextEvent removal;
  removal.document = std::move(event->document);
  removal.removed = true;
  Outputs outputs;
  outputs.push_back(to_record(removal));
  return outputs;
}

Result<Outputs> Extractor::extract(const DocumentEvent& event) {
  const DocumentRef& claimed = event.document;
  const Result<const Format*> format =
      detect_format(event.content, claimed.media_type, claimed.name);
  if (!format) return format.error();
  Result<ExtractedText> found = sandbox_->extract(event.content, claimed);
  if (!found) return found.error();
  if (found->blocks.empty()) return no_text(**format);

  TextEvent text;
  text.document = claimed;
  text.document.media_type = (*format)->media_type;
  if (text.document.title.empty()) {
    text.document.title = found->title.empty() ? claimed.name : found->title;
  }
  text.blocks = std::move(found->blocks);
  text.pages = found->pages;
  text.text = std::move(found->text);

  Outputs outputs;
  outputs.push_back(to_record(text));
  outputs.push_back(
      to_record(progress_of(text, DocumentProgress::State::extracted, clock_.wall_now())));
  return outputs;
}

Outputs Extractor::given_up(const Record& record, const Error& error) {
  Result<DocumentEvent> event = document_event_from(record);
  if (!event) return {};  // whose progress it would be is not known; the dead letter has it all
  DocumentProgress progress;
  progress.document = std::move(event->document);
  progress.state = DocumentProgress::State::failed;
  progress.removal = event->operation == DocumentEvent::Operation::remove;
  progress.at = clock_.wall_now();
  progress.error = error.message;
  progress.error_stage = kStageName;
  Outputs outputs;
  outputs.push_back(to_record(progress));
  return outputs;
}

}  // namespace millrace
