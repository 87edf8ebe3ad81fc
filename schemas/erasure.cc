#include "schemas/erasure.h"

#include <array>

#include "schemas/topics.h"

namespace millrace {
namespace {

using State = DocumentProgress::State;

constexpr std::array kTold{State::extracted, State::chunked, State::embedded, State::indexed};
constexpr std::array<std::string_view, 4> kStages{"extractor", "chunker", "embedder", "indexer"};

Record tombstone_of(const DocumentProgress& progress) {
  Record record;
  record.topic = topics::kDocumentEvents;
  record.key = progress_key(progress);
  record.tombstone = true;
  return record;
}

}  // namespace

DocumentRef without_content(const DocumentRef& document) {
  DocumentRef bare;
  bare.collection = document.collection;
  bare.document_id = document.document_id;
  bare.revision = document.revision;
  bare.allow = document.allow;
  bare.accepted_at = document.accepted_at;
  bare.sequence = document.sequence;
  return bare;
}

DocumentProgress erased_progress(const DocumentProgress& removed, Clock::Wall at) {
  DocumentProgress erased;
  erased.document = without_content(removed.document);
  erased.state = State::erased;
  erased.removal = true;
  erased.at = at;
  return erased;
}

std::vector<Record> progress_tombstones(const DocumentRef& document,
                                        std::span<const int> generations) {
  std::vector<Record> tombstones;
  DocumentProgress told;
  told.document = document;
  for (const int generation : generations) {
    told.generation = generation;
    for (const State state : kTold) {
      told.state = state;
      tombstones.push_back(tombstone_of(told));
    }
    told.state = State::failed;
    for (const std::string_view stage : kStages) {
      told.error_stage = stage;
      tombstones.push_back(tombstone_of(told));
    }
  }
  return tombstones;
}

bool erase_documents(Transcript& transcript,
                     const std::function<bool(std::string_view document_key)>& is_erased) {
  const auto is_of_erased = [&](const auto& each) {
    return is_erased(document_key(transcript.query.collection, each.document_id));
  };
  const std::size_t passages = std::erase_if(transcript.passages, is_of_erased);
  const std::size_t citations = std::erase_if(transcript.answer.citations, is_of_erased);
  if (passages + citations == 0) return false;
  transcript.answer.text = kErasedAnswer;
  return true;
}

}  // namespace millrace
