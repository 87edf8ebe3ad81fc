#include "gateway/stored_event.h"

#include <algorithm>
#include <charconv>

#include "common/logging.h"
#include "schemas/event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kRowsAtOnce = 2'000;

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

// Of a generation, in the row of a document.
struct Entry {
  int generation = 1;
  std::string_view text;  // HEAD LF JSON
  StoredHead head;
  std::string_view json;
};

std::optional<Entry> parse_entry(std::string_view text) {
  Entry entry;
  if (text.starts_with('g')) {
    const std::string_view number = take_word(text).substr(1);
    std::from_chars(number.data(), number.data() + number.size(), entry.generation);
  }
  entry.text = text;
  auto [head, json] = split_row(text);
  entry.json = json;
  const auto position = parse_stream_position(take_word(head));
  if (!position || !state_from(take_word(head), entry.head.state)) return std::nullopt;
  entry.head.position = *position;
  const auto take_number = [&head](std::int64_t& number) {
    const std::string_view word = take_word(head);
    std::from_chars(word.data(), word.data() + word.size(), number);
  };
  take_number(entry.head.chunks);
  take_number(entry.head.sequence);
  entry.head.shared = take_word(head) == "1";
  return entry;
}

// The row's next entry, a pair of lines; empty at its end. What cannot be read is passed over.
std::optional<Entry> take_entry(std::string_view& row) {
  while (!row.empty()) {
    const auto json = row.find('\n');
    const auto end = json == std::string_view::npos ? json : row.find('\n', json + 1);
    auto entry = parse_entry(row.substr(0, end));
    row = end == std::string_view::npos ? std::string_view{} : row.substr(end + 1);
    if (entry) return entry;
  }
  return std::nullopt;
}

std::vector<Entry> split_entries(std::string_view row) {
  std::vector<Entry> entries;
  while (auto entry = take_entry(row)) entries.push_back(std::move(*entry));
  return entries;
}

std::string join(const std::vector<Entry>& entries) {
  std::string row;
  for (const Entry& entry : entries) {
    if (!row.empty()) row += '\n';
    if (entry.generation != 1) row.append("g").append(std::to_string(entry.generation)) += ' ';
    row += entry.text;
  }
  return row;
}

std::string entry_of(const DocumentProgress& progress, StreamPosition position) {
  return position.text() + " " + std::string{to_string(progress.state)} + " " +
         std::to_string(progress.chunks) + " " + std::to_string(progress.document.sequence) +
         (is_shared(progress) ? " 1\n" : " 0\n") + to_record(progress).value;
}

std::optional<DocumentProgress> progress_from(std::string_view key, std::string_view json) {
  auto progress = document_progress_from(make_event(topics::kDocumentEvents, std::string{key},
                                                    DocumentProgress::kType, std::string{json}));
  if (!progress) return std::nullopt;
  return std::move(*progress);
}

// How the document stands in `generation`: by its own events or, where these are of an older
// revision, by the first one's as far as they are shared.
std::optional<Entry> choose(std::string_view row, int generation) {
  std::optional<Entry> first;  // where that is another one
  std::optional<Entry> own;
  while (auto entry = take_entry(row)) {
    const int number = entry->generation;
    if (number == generation) {
      own = std::move(entry);
    } else if (number == 1) {
      first = std::move(entry);
    }
    if (number >= generation) break;  // they stand in the order of their numbers
  }
  if (first && !first->head.shared) {
    first->head.state = DocumentProgress::State::extracted;
    first->head.chunks = 0;
  }
  if (!own) return first;
  if (!first || own->head.sequence > first->head.sequence) return own;
  if (own->head.sequence < first->head.sequence) return first;
  DocumentProgress before;
  before.state = first->head.state;
  DocumentProgress next;
  next.state = own->head.state;
  return advances(before, next) ? own : first;
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

std::optional<StoredHead> stored_document_head(std::string_view row, int generation) {
  const auto chosen = choose(row, generation);
  return chosen ? std::optional{chosen->head} : std::nullopt;
}

std::optional<DocumentStatus> document_from_row(std::string_view key, std::string_view row,
                                                int generation) {
  const auto chosen = choose(row, generation);
  if (!chosen) return std::nullopt;
  auto progress = progress_from(key, chosen->json);
  if (!progress) return std::nullopt;
  if (chosen->generation != generation) *progress = seen_from(generation, std::move(*progress));
  return DocumentStatus{std::move(*progress), chosen->head.position.text()};
}

bool is_deleted_everywhere(std::string_view row, const Collection* collection) {
  const std::vector<Entry> entries = split_entries(row);
  std::int64_t newest = -1;
  for (const Entry& each : entries) newest = std::max(newest, each.head.sequence);
  const auto is_deleted = [newest](const Entry& each) {
    return each.head.sequence == newest && each.head.state == DocumentProgress::State::deleted;
  };
  return std::ranges::any_of(entries, is_deleted) &&
         std::ranges::all_of(entries, [&](const Entry& each) {
           const bool counts = collection != nullptr && collection->is_in(each.generation);
           return !counts || is_deleted(each);
         });
}

std::vector<int> generations_in(std::string_view row) {
  std::vector<int> generations;
  for (const Entry& each : split_entries(row)) generations.push_back(each.generation);
  return generations;
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

void for_each_document(const Table& table, std::string_view collection,
                       const std::function<void(const Table::Row&)>& visit) {
  const std::string prefix = document_key(collection, "");
  std::string after = prefix;
  for (;;) {
    const auto rows = table.scan(prefix, after, kRowsAtOnce);
    if (rows.empty()) return;
    after = rows.back().key;
    for (const Table::Row& row : rows) visit(row);
  }
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
    std::vector<Entry> entries = split_entries(current ? *current : std::string_view{});
    const auto known = std::ranges::find(entries, next->generation, &Entry::generation);
    const std::string text = entry_of(*next, position_of(record));
    if (known == entries.end()) {
      entries.push_back({next->generation, text, {}, {}});
      std::ranges::sort(entries, {}, &Entry::generation);
    } else {
      const auto before = progress_from(key, known->json);
      if (before && !advances(*before, *next)) return std::vector<TableChange>{};
      known->text = text;
    }
    return std::vector<TableChange>{{key, join(entries)}};
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
