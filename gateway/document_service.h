#pragma once

#include <compare>
#include <map>
#include <mutex>

#include "gateway/backend.h"
#include "gateway/document_records.h"
#include "gateway/document_turns.h"
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

  // Asks for the removal of these, whoever may see them.
  net::awaitable<Status> remove_all(const Caller& caller,
                                    const std::vector<DocumentRef>& documents);

  // Accepts the document of `failed` again, as a new revision that names the dead letter it comes
  // from. Conflict unless `failed` is still what the document is: replaced, deleted or indexed
  // since, it must not come back. Where the new revision stands in `documents`.
  struct Resent {
    std::string revision;
    Position position;
  };
  net::awaitable<Reply<Resent>> resend(const Caller& caller, DocumentEvent failed,
                                       std::string letter);

 private:
  // The newest status that this process knows; nothing checked.
  std::optional<DocumentStatus> find(const std::string& collection, const std::string& document_id);
  // Appends, and remembers the progress; where the documents stand. A failure may have left them
  // stored: then they are processed all the same.
  using Stored = Result<std::vector<Position>>;
  net::awaitable<Stored> store(const Caller& caller, DocumentRecords built);
  net::awaitable<Stored> store_in_turn(const Caller& caller, DocumentRecords built);
  // What forbids it; empty: nothing does.
  net::awaitable<std::optional<Problem>> check_resend(const DocumentRef& failed);
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
  DocumentTurns turns_;
  RecentWrites<DocumentProgress> recent_;
  std::mutex mutex_;
  Offsets written_;  // of document-events, by this process
  std::map<CountedFor, CachedCounts> counts_;
};

}  // namespace millrace
