#include <array>

#include "schemas/codec.h"
#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using State = DocumentProgress::State;

constexpr std::array<Named<State>, 8> kStates{{{"accepted", State::accepted},
                                               {"extracted", State::extracted},
                                               {"chunked", State::chunked},
                                               {"embedded", State::embedded},
                                               {"indexed", State::indexed},
                                               {"deleted", State::deleted},
                                               {"failed", State::failed},
                                               {"erased", State::erased}}};

constexpr std::string_view kSharedStage = "extractor";  // the last one before the generations'

// How far along its way a revision is; a failure ends it short of the index.
int rank(State state) {
  switch (state) {
    case State::accepted:
      return 0;
    case State::extracted:
      return 1;
    case State::chunked:
      return 2;
    case State::embedded:
      return 3;
    case State::failed:
      return 4;
    case State::indexed:
    case State::deleted:
      return 5;
    case State::erased:
      break;
  }
  return 6;
}

}  // namespace

std::string_view to_string(DocumentProgress::State state) { return name_of(kStates, state); }

bool state_from(std::string_view name, DocumentProgress::State& out) {
  return find_named(kStates, name, out);
}

std::string progress_key(const DocumentProgress& progress) {
  std::string key = document_key(progress.document);
  key += '\0';
  key += to_string(progress.state);
  if (progress.state == State::failed) {
    key += '\0';
    key += progress.error_stage;
  }
  if (progress.generation != 1) {
    key += '\0';
    key += 'g';
    key += std::to_string(progress.generation);
  }
  return key;
}

bool is_acceptance_key(std::string_view key) {
  const std::size_t end = key.find('\0');
  return end != std::string_view::npos && key.substr(end + 1) == to_string(State::accepted);
}

Record to_record(const DocumentProgress& progress) {
  json::Writer out;
  out.begin_object();
  write_object(out, "document", progress.document);
  out.field("state", to_string(progress.state)).field("removal", progress.removal);
  write_time(out, "at_ms", progress.at);
  out.field("pages", progress.pages).field("chunks", progress.chunks);
  if (!progress.error.empty()) out.field("error", progress.error);
  if (!progress.error_stage.empty()) out.field("error_stage", progress.error_stage);
  write_generation(out, progress.generation);
  out.end_object();
  return make_event(topics::kDocumentEvents, progress_key(progress), DocumentProgress::kType,
                    out.take());
}

Result<DocumentProgress> document_progress_from(const Record& record) {
  return decode_event<DocumentProgress>(
      record, [](json::ObjectReader& in, std::string_view, DocumentProgress& progress) {
        read_object(in, "document", progress.document);
        read_enum(in, "state", progress.state, kStates);
        in.required("removal", progress.removal);
        read_time(in, "at_ms", progress.at);
        read_integer(in, "pages", progress.pages, 0);
        read_integer(in, "chunks", progress.chunks, 0);
        in.optional("error", progress.error);
        in.optional("error_stage", progress.error_stage);
        read_generation(in, progress.generation);
      });
}

bool is_shared(const DocumentProgress& progress) {
  if (progress.state == State::failed) return progress.error_stage == kSharedStage;
  if (progress.state == State::erased) return true;
  return rank(progress.state) <= rank(State::extracted);
}

DocumentProgress seen_from(int generation, DocumentProgress first) {
  if (generation == 1 || is_shared(first)) return first;
  first.state = State::extracted;
  first.chunks = 0;
  first.error.clear();
  first.error_stage.clear();
  return first;
}

bool advances(const DocumentProgress& current, const DocumentProgress& next) {
  if (current.document.revision != next.document.revision) {
    return next.document.sequence > current.document.sequence;
  }
  return rank(next.state) > rank(current.state);
}

}  // namespace millrace
