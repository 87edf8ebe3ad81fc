#pragma once

#include <map>
#include <mutex>

#include "gateway/backend.h"
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
  net::awaitable<CollectionCounts> counts(std::string collection) override;

 private:
  // The newest status that this process knows; nothing checked.
  std::optional<DocumentStatus> find(const std::string& collection, const std::string& document_id);
  // Appends, and remembers every progress record among them.
  net::awaitable<Status> store(std::vector<Record> records, std::vector<DocumentProgress> progress);
  net::awaitable<void> read_own_writes();

  struct CachedCounts {
    CollectionCounts counts;
    Clock::Steady until;
  };

  const Backend backend_;
  RecentWrites<DocumentProgress> recent_;
  std::mutex mutex_;
  Offsets written_;  // of document-events, by this process
  std::map<std::string, CachedCounts> counts_;
};

}  // namespace millrace
