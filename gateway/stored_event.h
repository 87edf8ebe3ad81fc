#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/log/table.h"
#include "gateway/services.h"
#include "gateway/stream_position.h"
#include "schemas/index_state.h"

namespace millrace {

// Rows of the gateway's tables.
//   documents    key: document key   value: entry [ LF "g" GENERATION SP entry ] …
//                entry: POSITION SP STATE SP CHUNKS SP SEQUENCE SP SHARED LF event-json
//                the furthest event of each generation, the first one's first; those before chunks
//                (SHARED is 1) are in there
//   collections  key: name           value: POSITION LF event-json
//   transcripts  key: query id       value: POSITION LF event-json
//   texts        key: document key   value: POSITION SP REVISION LF
//   indexes      key: generation/partition   value: POSITION LF event-json
// The first line is what counting and ordering need without reading the JSON.
struct StoredHead {
  StreamPosition position;
  DocumentProgress::State state = DocumentProgress::State::accepted;  // documents
  std::int64_t chunks = 0;                                            // documents
  std::int64_t sequence = -1;                                         // documents
  bool shared = false;                                                // documents
  std::string revision;                                               // texts
};

// How a document stands in a generation.
std::optional<StoredHead> stored_document_head(std::string_view row, int generation);
std::optional<DocumentStatus> document_from_row(std::string_view key, std::string_view row,
                                                int generation);
// No search finds the document in any generation that `collection` has; null: nobody knows them any
// more.
bool is_deleted_everywhere(std::string_view row, const Collection* collection);
std::vector<int> generations_in(std::string_view row);  // that have told of the document
std::optional<StoredHead> stored_text_head(std::string_view row);
std::optional<Collection> collection_from_row(std::string_view key, std::string_view row);
std::optional<IndexState> index_from_row(std::string_view key, std::string_view row);
std::optional<Transcript> transcript_from_row(std::string_view key, std::string_view row);

// Calls `visit` with each row of the collection's documents, in the order of their ids. Blocks.
void for_each_document(const Table& table, std::string_view collection,
                       const std::function<void(const Table::Row&)>& visit);

TableApplier documents_applier();
TableApplier collections_applier();
TableApplier indexes_applier();
TableApplier transcripts_applier();
TableApplier texts_applier();

}  // namespace millrace
