#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/metrics.h"
#include "common/readiness.h"
#include "gateway/backups.h"
#include "gateway/counts.h"
#include "gateway/dead_letters.h"
#include "gateway/erasures.h"
#include "gateway/gateway.h"
#include "gateway/generations.h"
#include "gateway/http_types.h"
#include "gateway/idempotency.h"
#include "gateway/queries.h"
#include "gateway/replays.h"
#include "schemas/collection.h"
#include "schemas/document.h"

namespace millrace {

// What handlers may use. Every call checks what the caller may see of the collection's content
// (allow lists, owners); the session has checked the role and the collection before.

struct NewDocument {
  std::string id;  // empty: from the content
  std::string name;
  std::string title;
  std::string media_type;
  std::string metadata = "{}";  // a JSON object
  std::vector<std::string> allow;
  std::string content;
};
struct AcceptedDocument {
  std::string id;
  std::string revision;
};
struct DocumentStatus {
  DocumentProgress progress;
  std::string position;  // of the event that says so, as an SSE id
};
struct DocumentPage {
  std::vector<DocumentStatus> documents;
  std::string next;  // the id to list after; empty: this was all
};
struct ListDocuments {
  std::int64_t limit = 100;
  std::string after;
  std::optional<DocumentProgress::State> state;
};
struct TextRequest {
  std::string collection;
  std::string document_id;
  std::string revision;      // empty: the current one
  std::int64_t start = 0;    // code points
  std::int64_t end = -1;     // -1: to the end of the text
  std::int64_t context = 0;  // code points before and after
};
struct TextSpan {
  DocumentRef document;
  std::string text;
  std::string before;
  std::string after;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t characters = 0;  // of the whole text
  std::int32_t page = 0;        // at `start`
  std::int32_t pages = 0;
};

class DocumentService {
 public:
  virtual ~DocumentService() = default;
  // Comes back once the log has them all; all or none.
  virtual net::awaitable<Reply<std::vector<AcceptedDocument>>> accept(
      const Caller& caller, std::string collection, std::vector<NewDocument> documents) = 0;
  virtual net::awaitable<Reply<DocumentStatus>> status(const Caller& caller, std::string collection,
                                                       std::string document_id) = 0;
  virtual net::awaitable<Reply<DocumentPage>> list(const Caller& caller, std::string collection,
                                                   ListDocuments wanted) = 0;
  virtual net::awaitable<Reply<AcceptedDocument>> remove(const Caller& caller,
                                                         std::string collection,
                                                         std::string document_id) = 0;
  // Asks for the removal of every live document; how many.
  virtual net::awaitable<Reply<std::int64_t>> clear(const Caller& caller,
                                                    std::string collection) = 0;
  virtual net::awaitable<Reply<TextSpan>> text(const Caller& caller, TextRequest wanted) = 0;
  virtual net::awaitable<Reply<std::unique_ptr<EventSource>>> collection_events(
      const Caller& caller, std::string collection, std::string last_event_id) = 0;
  // Begins with the document's status as it is; ends once it is indexed, deleted or failed.
  virtual net::awaitable<Reply<std::unique_ptr<EventSource>>> document_events(
      const Caller& caller, std::string collection, std::string document_id,
      std::string last_event_id) = 0;
  // True once every one of them is indexed, deleted or failed; false when `wait` is over.
  virtual net::awaitable<Reply<bool>> settled(const Caller& caller, std::string collection,
                                              std::vector<AcceptedDocument> documents,
                                              std::chrono::milliseconds wait) = 0;
  // Of what the caller may see.
  virtual net::awaitable<CollectionCounts> counts(const Caller& caller, std::string collection) = 0;
};

class CollectionService {
 public:
  virtual ~CollectionService() = default;
  virtual Reply<Collection> get(const std::string& name) = 0;  // `default` is always there
  virtual net::awaitable<std::vector<Collection>> list(const Caller& caller) = 0;
  struct Stored {
    Collection collection;
    bool created = false;
  };
  struct Change {  // what is left out stays as it is
    std::optional<std::string> description;
    std::optional<std::int64_t> retention_days;  // 0: for good
  };
  virtual net::awaitable<Reply<Stored>> put(const Caller& caller, std::string name,
                                            Change change) = 0;
  // Removes its documents, then its settings; how many documents.
  virtual net::awaitable<Reply<std::int64_t>> remove(const Caller& caller, std::string name) = 0;
  // Of a generation's index, as the indexers wrote last. Empty: only who sees every document of
  // every collection is told.
  virtual net::awaitable<std::optional<IndexCounts>> index(const Caller& caller,
                                                           int generation) = 0;
};

struct Services {
  const GatewayOptions& options;
  DocumentService& documents;
  CollectionService& collections;
  GenerationService& generations;
  QueryService& queries;
  ReplayService& replays;
  DeadLetterService& dead_letters;
  BackupService& backups;
  ErasureService& erasures;
  IdempotencyCache& idempotency;
  MetricsRegistry& metrics;
  Readiness& readiness;
  const Clock& clock;
  net::thread_pool& pool;  // for parsing large bodies
};

}  // namespace millrace
