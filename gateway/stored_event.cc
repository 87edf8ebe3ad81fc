#include "gateway/stored_event.h"

#include <charconv>

#include "common/logging.h"
#include "schemas/event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

struct Row {
  std::string_view head;
  std::string_view rest;
};

Row split_row(std::string_view row) {
  const auto newline = row.find('\n');
  if (newline == std::string_view::npos) return {row, {}};
  return {row.substr(0, newline), row.substr(newline + 1)};
}

// The next word of the head; empty at its end.
std::string_view take_word(std::string_view& head) {
  const auto space = head.find(' ');
  const std::string_view word = head.substr(0, space);
  head = space == std::string_view::npos ? std::string_view{} : head.substr(space + 1);
  return word;
}

StreamPosition position_of(const Record& record) { return {record.partition, record.offset}; }

std::vector<TableChange> skip(const Record& record, const Error& error) {
  log_event(LogLevel::error, "table_record_unreadable",
            {{"topic", record.topic},
             {"partition", record.partition},
             {"offset", record.offset},
             {"error", error.message}});
  return {};
}

// A compacted topic of whole events: the newest one is the row.
template <class Decode>
TableApplier newest_event(Decode decode) {
  return [decode](const Record& record, const std::optional<std::string>&) {
    if (record.tombstone) return std::vector<TableChange>{{record.key, std::nullopt}};
    if (const auto event = decode(record); !event) return skip(record, event.error());
    return std::vector<TableChange>{{record.key, position_of(record).text() + "\n" + record.value}};
  };
}

}  // namespace

std::string stored_document(const DocumentProgress& progress, StreamPosition position) {
  return position.text() + " " + std::string{to_string(progress.state)} + " " +
         std::to_string(progress.chunks) + "\n" + to_record(progress).value;
}

std::optional<StoredHead> stored_document_head(std::string_view row) {
  std::string_view head = split_row(row).head;
  StoredHead stored;
  const auto position = parse_stream_position(take_word(head));
  if (!position || !state_from(take_word(head), stored.state)) return std::nullopt;
  stored.position = *position;
  const std::string_view chunks = take_word(head);
  std::from_chars(chunks.data(), chunks.data() + chunks.size(), stored.chunks);
  return stored;
}

std::optional<DocumentStatus> document_from_row(std::string_view key, std::string_view row) {
  const auto head = stored_document_head(row);
  if (!head) return std::nullopt;
  const Record record = make_event(topics::kDocumentEvents, std::string{key},
                                   DocumentProgress::kType, split_row(row).rest);
  auto progress = document_progress_from(record);
  if (!progress) return std::nullopt;
  return DocumentStatus{std::move(*progress), head->position.text()};
}

std::optional<StoredHead> stored_text_head(std::string_view row) {
  std::string_view head = split_row(row).head;
  StoredHead stored;
  const auto position = parse_stream_position(take_word(head));
  if (!position) return std::nullopt;
  stored.position = *position;
  stored.revision = std::string{head};
  return stored;
}

std::optional<Collection> collection_from_row(std::string_view key, std::string_view row) {
  const Record record =
      make_event(topics::kCollections, std::string{key}, Collection::kType, split_row(row).rest);
  auto collection = collection_from(record);
  if (!collection) return std::nullopt;
  return std::move(*collection);
}

std::optional<IndexState> index_from_row(std::string_view key, std::string_view row) {
  const Record record =
      make_event(topics::kIndexStates, std::string{key}, IndexState::kType, split_row(row).rest);
  auto state = index_state_from(record);
  if (!state) return std::nullopt;
  return std::move(*state);
}

std::optional<Transcript> transcript_from_row(std::string_view key, std::string_view row) {
  const Record record =
      make_event(topics::kTranscripts, std::string{key}, Transcript::kType, split_row(row).rest);
  auto transcript = transcript_from(record);
  if (!transcript) return std::nullopt;
  return std::move(*transcript);
}

TableApplier documents_applier() {
  return [](const Record& record, const std::optional<std::string>& current) {
    const std::string key{partition_key(record.key)};
    if (record.tombstone) {
      // Of the acceptance, the document is gone; of a later state, only that record of it.
      const bool gone = is_acceptance_key(record.key);
      return gone ? std::vector<TableChange>{{key, std::nullopt}} : std::vector<TableChange>{};
    }
    const auto next = document_progress_from(record);
    if (!next) return skip(record, next.error());
    if (current) {
      const auto known = document_from_row(key, *current);
      if (known && !advances(known->progress, *next)) return std::vector<TableChange>{};
    }
    return std::vector<TableChange>{{key, stored_document(*next, position_of(record))}};
  };
}

TableApplier collections_applier() {
  return newest_event([](const Record& record) { return collection_from(record); });
}

TableApplier indexes_applier() {
  return newest_event([](const Record& record) { return index_state_from(record); });
}

TableApplier transcripts_applier() {
  return newest_event([](const Record& record) { return transcript_from(record); });
}

TableApplier texts_applier() {
  return [](const Record& record, const std::optional<std::string>&) {
    if (record.tombstone) return std::vector<TableChange>{{record.key, std::nullopt}};
    const auto text = text_event_from(record);
    if (!text) return skip(record, text.error());
    if (text->removed) return std::vector<TableChange>{{record.key, std::nullopt}};
    return std::vector<TableChange>{
        {record.key, position_of(record).text() + " " + text->document.revision + "\n"}};
  };
}

}  // namespace millrace
