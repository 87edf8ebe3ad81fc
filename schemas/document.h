#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log/record.h"

namespace millrace {

// Who a revision of a document is and what the user said of it. Every event on the document's way
// carries it, so that each topic can be replayed by itself.
struct DocumentRef {
  std::string collection;
  std::string document_id;  // the client's, or the content's hash; 1 to 256 bytes, no control chars
  std::string revision;     // ULID given at acceptance
  std::string name;         // file name, may be empty
  std::string title;        // the client's, else found in the document, else the name
  std::string media_type;   // as claimed; the extractor looks at the bytes
  std::string metadata = "{}";     // a JSON object
  std::vector<std::string> allow;  // groups that may read it; empty: everybody
  Clock::Wall accepted_at{};
  std::int64_t bytes = 0;  // of the raw document
  // Its offset in `documents`: of two revisions of a document the one with the larger is the newer.
  // -1 in `documents` itself.
  std::int64_t sequence = -1;

  bool operator==(const DocumentRef&) const = default;
};

// COLLECTION "/" DOCUMENT_ID: the key of `documents`, `texts` and `chunks.gN`.
std::string document_key(const DocumentRef& document);
std::string document_key(std::string_view collection, std::string_view document_id);
std::string_view collection_of(std::string_view document_key);
Status check_document_id(std::string_view document_id);  // `rejected`, saying what is wrong

// Members of the reference inside an event's object.
void write_members(json::Writer& out, const DocumentRef& document);
void read_members(json::ObjectReader& in, DocumentRef& document);
// Of any event on the document's way, whatever else is wrong with it.
Result<DocumentRef> document_ref_from(const Record& record);

// Topic `documents`: what the gateway accepted. A delete travels as an event of its own.
struct DocumentEvent {
  enum class Operation { put, remove };
  DocumentRef document;
  Operation operation = Operation::put;
  std::string content;  // raw bytes; empty on remove
  static constexpr std::string_view kType = "document";
  bool operator==(const DocumentEvent&) const = default;
};
Record to_record(const DocumentEvent& event);
// With the sequence that the record's offset gives it.
Result<DocumentEvent> document_event_from(const Record& record);

// A piece of extracted text that belongs together. Offsets are Unicode code points of the text.
struct Block {
  enum class Kind { heading, paragraph, list_item, table_row, code };
  Kind kind = Kind::paragraph;
  std::int64_t start = 0;             // first code point
  std::int64_t end = 0;               // one past the last
  std::int32_t page = 0;              // from 1; 0: the format has no pages
  std::vector<std::string> headings;  // the path of headings above it, outermost first

  bool operator==(const Block&) const = default;
};

// Topic `texts`: the whole text of a document, UTF-8 in the body, and its blocks in order, not
// overlapping. `removed`: the document is to go; no text.
struct TextEvent {
  DocumentRef document;
  bool removed = false;
  std::vector<Block> blocks;
  std::int32_t pages = 0;
  std::string text;
  static constexpr std::string_view kType = "text";
  bool operator==(const TextEvent&) const = default;
};
Record to_record(const TextEvent& event);
Result<TextEvent> text_event_from(const Record& record);

// Topic `document-events`: how far a revision has come. Each event is whole. A document's status is
// the furthest of its events, as advances() orders them. `deleted` when no search finds the
// document any more, `erased` when its bytes are gone from the disks too.
struct DocumentProgress {
  enum class State { accepted, extracted, chunked, embedded, indexed, deleted, failed, erased };
  DocumentRef document;
  State state = State::accepted;
  bool removal = false;  // this revision deletes the document
  Clock::Wall at{};
  std::int32_t pages = 0;   // from `extracted` on
  std::int64_t chunks = 0;  // from `chunked` on
  std::string error;        // of `failed`: what is wrong and what would be right
  std::string error_stage;  // of `failed`
  // Whose chunks these are; what is before chunks, up to `extracted`, is all generations' and
  // has 1.
  int generation = 1;
  static constexpr std::string_view kType = "document-progress";
  bool operator==(const DocumentProgress&) const = default;
};
// What is reported of a document whose text, or a batch of whose chunks, has come to `state`. The
// generation is that of the chunks.
template <class Event>
DocumentProgress progress_of(const Event& event, DocumentProgress::State state, Clock::Wall at,
                             int generation = 1) {
  DocumentProgress progress;
  progress.document = event.document;
  progress.state = state;
  progress.removal = event.removed;
  progress.at = at;
  progress.pages = event.pages;
  if constexpr (requires { event.chunks_total; }) progress.chunks = event.chunks_total;
  progress.generation = generation;
  return progress;
}
// The same where `stage` has given up.
template <class Event>
DocumentProgress failure_of(const Event& event, std::string_view stage, const Error& error,
                            Clock::Wall at, int generation) {
  DocumentProgress failed = progress_of(event, DocumentProgress::State::failed, at, generation);
  failed.error = error.message;
  failed.error_stage = stage;
  return failed;
}
std::string_view to_string(DocumentProgress::State state);
bool state_from(std::string_view name, DocumentProgress::State& out);
Record to_record(const DocumentProgress& progress);
// Document key, NUL, state, and of a failure also NUL, stage, and of another generation than the
// first also NUL, "g", its number: compaction leaves a document's newest event of each step, so
// that whoever reads late comes to the same status as who read along. Within a stage revisions do
// not overtake one another.
std::string progress_key(const DocumentProgress& progress);
bool is_acceptance_key(std::string_view key);  // of an `accepted`, with which a document is gone
Result<DocumentProgress> document_progress_from(const Record& record);

// The event is before chunks, or after all of them, and so says the same of the document in every
// generation.
bool is_shared(const DocumentProgress& progress);
// What an event of the first generation says of another one: all of it where it is shared, else
// that the text is extracted.
DocumentProgress seen_from(int generation, DocumentProgress first);

// True when `next` replaces `current` as the document's status: it is of a newer revision, or a
// later state of the same one. So the status is the same in whatever order gateways and stages have
// written their events.
bool advances(const DocumentProgress& current, const DocumentProgress& next);

}  // namespace millrace
