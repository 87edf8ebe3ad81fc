#pragma once

#include <compare>
#include <map>
#include <mutex>

#include "gateway/backend.h"
#include "gateway/document_records.h"
#include "gateway/services.h"

namespace millrace {

// Documents as the log and the gateway's tables know them. Thread-safe.
class LogDocumentService final : public DocumentService {
 public:
  explicit LogDocumentService(const Backend& backend) : backend_{backend} {}

  net::awaitable<Reply<std::vector<AcceptedDocument>>> accept(
      const Caller& caller, std::string collection, std::vector<NewDocument> documents) override;
  net::awaitable<Reply<DocumentStatus>> status(const Caller& caller, std::string collection,
                                               std::string document_id) override;
  net::awaitable<Reply<DocumentPage>> list(const Caller& caller, std::string collection,
                                           ListDocuments wanted) override;
  net::awaitable<Reply<AcceptedDocument>> remove(const Caller& caller, std::string collection,
                                                 std::string document_id) override;
  net::awaitable<Reply<std::int64_t>> clear(const Caller& caller, std::string collection) override;
  net::awaitable<Reply<TextSpan>> text(const Caller& caller, TextRequest wanted) override;
  net::awaitable<Reply<std::unique_ptr<EventSource>>> collection_events(
      const Caller& caller, std::string collection, std::string last_event_id) override;
  net::awaitable<Reply<std::unique_ptr<EventSource>>> document_events(
      const Caller& caller, std::string collection, std::string document_id,
      std::string last_event_id) override;
  net::awaitable<Reply<bool>> settled(const Caller& caller, std::string collection,
                                      std::vector<AcceptedDocument> documents,
                                      std::chrono::milliseconds wait) override;
  net::awaitable<CollectionCounts> counts(const Caller& caller, std::string collection) override;

 private:
  // The newest status that this process knows; nothing checked.
  std::optional<DocumentStatus> find(const std::string& collection, const std::string& document_id);
  // Appends, and remembers the progress. A failure may have left the documents stored: then they
  // are processed all the same.
  net::awaitable<Status> store(const Caller& caller, DocumentRecords built);
  net::awaitable<void> read_own_writes();

  // Callers for whom the counts are the same: collection, sees everything, groups.
  struct CountedFor {
    std::string collection;
    int generation = 1;
    bool sees_everything = false;
    std::vector<std::string> groups;
    auto operator<=>(const CountedFor&) const = default;
  };
  struct CachedCounts {
    CollectionCounts counts;
    Clock::Steady until;
  };

  const Backend backend_;
  RecentWrites<DocumentProgress> recent_;
  std::mutex mutex_;
  Offsets written_;  // of document-events, by this process
  std::map<CountedFor, CachedCounts> counts_;
};

}  // namespace millrace
