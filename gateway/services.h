#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/metrics.h"
#include "common/readiness.h"
#include "gateway/counts.h"
#include "gateway/dead_letters.h"
#include "gateway/gateway.h"
#include "gateway/http_types.h"
#include "gateway/idempotency.h"
#include "schemas/answer.h"
#include "schemas/collection.h"
#include "schemas/document.h"
#include "schemas/query.h"

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
  virtual net::awaitable<Reply<Stored>> put(const Caller& caller, std::string name,
                                            std::optional<std::string> description) = 0;
  // Removes its documents, then its settings; how many documents.
  virtual net::awaitable<Reply<std::int64_t>> remove(const Caller& caller, std::string name) = 0;
  // Of the index of all partitions, as the indexers wrote last. Empty: the caller may not see every
  // document of every collection, and so none of these figures.
  virtual net::awaitable<std::optional<IndexCounts>> index(const Caller& caller) = 0;
};

struct NewQuery {
  std::string collection;
  std::string question;
  std::int64_t top_k = 0;  // 0: the default
  SearchMode mode = SearchMode::hybrid;
  Filter filter;
  bool explain = false;
  bool one_per_document = false;
  double diversity = 0;  // 0 to 1
};
struct SearchResult {
  std::vector<Passage> passages;
  bool partial = false;
  std::int64_t embedding_us = 0;
  std::int64_t search_us = 0;
  std::int64_t took_us = 0;
};
struct FinishedQuery {
  std::string query_id;
  bool completed = false;  // else: failed
  std::string reason;
  std::string message;
  std::vector<Passage> passages;
  Answer answer;
};
struct QueryState {
  std::optional<Transcript> transcript;  // empty: running
};

class QueryService {
 public:
  virtual ~QueryService() = default;
  virtual net::awaitable<Reply<std::string>> ask(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<std::unique_ptr<EventSource>>> events(const Caller& caller,
                                                                     std::string query_id,
                                                                     std::string last_event_id) = 0;
  // Asks and waits for the end.
  virtual net::awaitable<Reply<FinishedQuery>> answer(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<SearchResult>> search(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<QueryState>> state(const Caller& caller, std::string query_id) = 0;
  virtual net::awaitable<Reply<std::string>> cancel(const Caller& caller, std::string query_id) = 0;
  virtual std::int64_t accepted() const = 0;  // questions since the start
  virtual std::string model() const = 0;      // that gave the last answer; empty: none yet
};

struct Services {
  const GatewayOptions& options;
  DocumentService& documents;
  CollectionService& collections;
  QueryService& queries;
  DeadLetterService& dead_letters;
  IdempotencyCache& idempotency;
  MetricsRegistry& metrics;
  Readiness& readiness;
  const Clock& clock;
  net::thread_pool& pool;  // for parsing large bodies
};

}  // namespace millrace
