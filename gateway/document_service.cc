#include "gateway/document_service.h"

#include "common/log/log.h"
#include "gateway/document_json.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kInlineBytesMax = 256U << 10U;  // more is hashed on the pool
constexpr std::size_t kScanPage = 500;
constexpr std::size_t kScanRowsMax = 50'000;  // per list request, about: then the client asks on
constexpr std::chrono::milliseconds kOwnWriteWait{200};
constexpr std::chrono::milliseconds kClearWait{30'000};

Problem unknown_document(const std::string& collection, const std::string& document_id) {
  return not_found("there is no document \"" + document_id + "\" in collection \"" + collection +
                   "\"");
}

std::size_t content_bytes(const std::vector<NewDocument>& documents) {
  std::size_t bytes = 0;
  for (const NewDocument& document : documents) bytes += document.content.size();
  return bytes;
}

// Blocks: one page of the collection, as `principal` may see it.
DocumentPage scan_page(const Table& table, const std::string& collection, int generation,
                       const ListDocuments& wanted, const Principal& principal) {
  DocumentPage page;
  const std::string prefix = document_key(collection, "");
  std::string after = wanted.after.empty() ? prefix : document_key(collection, wanted.after);
  for (std::size_t seen = 0;;) {
    const auto rows = table.scan(prefix, after, kScanPage);
    if (rows.empty()) return page;
    after = rows.back().key;
    for (const Table::Row& row : rows) {
      const bool enough = ++seen >= kScanRowsMax;
      const auto head = stored_document_head(row.value, generation);
      const bool listed =
          head && (wanted.state ? head->state == *wanted.state : !is_gone(head->state));
      if (!listed && !enough) continue;
      auto document = document_from_row(row.key, row.value, generation);
      if (!document || !principal.may_read(document->progress.document.allow)) continue;
      if (page.documents.size() == static_cast<std::size_t>(wanted.limit)) {
        page.next = page.documents.back().progress.document.document_id;
        return page;
      }
      // Not before a document that the caller may know of: `next` is an id.
      if (enough) page.next = document->progress.document.document_id;
      if (listed) page.documents.push_back(std::move(*document));
      if (enough) return page;
    }
  }
}

// Blocks: the next documents of the collection that are not deleted or about to be.
std::vector<DocumentRef> scan_live(const Table& table, const std::string& collection,
                                   int generation, std::string& after) {
  const std::string prefix = document_key(collection, "");
  if (after.empty()) after = prefix;
  std::vector<DocumentRef> live;
  while (live.empty()) {
    const auto rows = table.scan(prefix, after, kScanPage);
    if (rows.empty()) break;
    after = rows.back().key;
    for (const Table::Row& row : rows) {
      const auto document = document_from_row(row.key, row.value, generation);
      if (!document || document->progress.removal) continue;
      live.push_back(document->progress.document);
    }
  }
  return live;
}

}  // namespace

std::optional<DocumentStatus> LogDocumentService::find(const std::string& collection,
                                                       const std::string& document_id) {
  const std::string key = document_key(collection, document_id);
  const auto row = backend_.documents.get(key);
  const int generation = generation_of(backend_, collection);
  auto furthest = row ? document_from_row(key, *row, generation) : std::nullopt;
  const auto recent =
      recent_.newer_than(key, furthest ? parse_stream_position(furthest->position) : std::nullopt);
  const auto offer = [&](const DocumentProgress& progress, const StreamPosition& position) {
    if (furthest && !advances(furthest->progress, progress)) return;
    furthest = DocumentStatus{progress, position.text()};
  };
  // A stage may have been faster than the acceptance, and a stream than the table.
  if (recent) offer(recent->value, recent->position);
  if (const auto told = backend_.progress.newest(key, 1)) {
    offer(seen_from(generation, told->progress), told->position);
  }
  if (const auto told = backend_.progress.newest(key, generation)) {
    offer(told->progress, told->position);
  }
  return furthest;
}

net::awaitable<LogDocumentService::Stored> LogDocumentService::store(const Caller& caller,
                                                                     DocumentRecords built) {
  std::vector<std::string> keys;
  for (const DocumentProgress& each : built.progress) keys.push_back(document_key(each.document));
  const auto turn = co_await turns_.to_write(std::move(keys));
  if (!turn) {
    co_return Stored{unavailable("one of the documents is being sent again; try again shortly")};
  }
  co_return co_await store_in_turn(caller, std::move(built));
}

net::awaitable<LogDocumentService::Stored> LogDocumentService::store_in_turn(
    const Caller& caller, DocumentRecords built) {
  auto stored = co_await backend_.appender.append(std::move(built.records));
  if (!stored) co_return Stored{stored.error()};
  std::erase_if(*stored,
                [](const Position& each) { return each.source.topic != topics::kDocuments; });
  std::vector<Record> progress;
  for (const Position& position : *stored) {
    DocumentProgress& accepted = built.progress[progress.size()];
    accepted.document.sequence = position.offset;
    progress.push_back(to_record(accepted));
    progress.back().set_header(headers::kTraceparent, caller.traceparent);
  }
  const auto positions = co_await backend_.appender.append(std::move(progress));
  if (!positions) co_return Stored{positions.error()};
  for (std::size_t i = 0; i < positions->size(); ++i) {
    const auto& [source, offset] = (*positions)[i];
    const std::string key = document_key(built.progress[i].document);
    recent_.remember(key, std::move(built.progress[i]), {source.partition, offset});
    const std::lock_guard lock{mutex_};
    Offset& end = written_[source];
    end = std::max(end, offset + 1);
  }
  co_return Stored{std::move(*stored)};
}

net::awaitable<void> LogDocumentService::read_own_writes() {
  Offsets target;
  {
    const std::lock_guard lock{mutex_};
    target = written_;
  }
  // Late is no failure: the list is then as old as the table.
  if (!target.empty()) co_await applied(backend_.documents, std::move(target), kOwnWriteWait);
}

net::awaitable<Reply<std::vector<AcceptedDocument>>> LogDocumentService::accept(
    const Caller& caller, std::string collection, std::vector<NewDocument> documents) {
  using Accepted = Reply<std::vector<AcceptedDocument>>;
  const bool large = content_bytes(documents) > kInlineBytesMax;
  auto work = [&clock = backend_.clock, &collection, &caller,
               documents = std::move(documents)]() mutable {
    return accept_records(clock, collection, caller.traceparent, std::move(documents));
  };
  Reply<DocumentRecords> built = Problem{};
  if (large) {
    built = co_await run_blocking(backend_.pool, std::move(work));
  } else {
    built = work();
  }
  if (!built) co_return Accepted{built.error()};
  const bool fresh = !find_collection(backend_, collection);
  Collection settings;
  if (fresh) {
    settings.name = collection;
    settings.generation = backend_.options.generation;
    settings.created_at = backend_.clock.wall_now();
    built->records.insert(built->records.begin(), to_record(settings));
  }
  auto accepted = std::move(built->accepted);
  const Stored stored = co_await store(caller, std::move(*built));
  if (!stored) co_return Accepted{problem_from(stored.error())};
  co_return Accepted{std::move(accepted)};
}

net::awaitable<Reply<DocumentStatus>> LogDocumentService::status(const Caller& caller,
                                                                 std::string collection,
                                                                 std::string document_id) {
  auto found = find(collection, document_id);
  if (!found || !caller.principal.may_read(found->progress.document.allow)) {
    co_return Reply<DocumentStatus>{unknown_document(collection, document_id)};
  }
  co_return Reply<DocumentStatus>{std::move(*found)};
}

net::awaitable<Reply<DocumentPage>> LogDocumentService::list(const Caller& caller,
                                                             std::string collection,
                                                             ListDocuments wanted) {
  const auto found = find_collection(backend_, collection);
  if (!found) co_return Reply<DocumentPage>{unknown_collection(collection)};
  co_await read_own_writes();
  auto work = [&table = backend_.documents, &collection, generation = found->generation, &wanted,
               &caller] {
    return scan_page(table, collection, generation, wanted, caller.principal);
  };
  auto page = co_await run_blocking(backend_.pool, std::move(work));
  co_return Reply<DocumentPage>{std::move(page)};
}

net::awaitable<Reply<AcceptedDocument>> LogDocumentService::remove(const Caller& caller,
                                                                   std::string collection,
                                                                   std::string document_id) {
  const auto found = find(collection, document_id);
  const bool gone = !found || is_gone(found->progress.state) ||
                    !caller.principal.may_read(found->progress.document.allow);
  if (gone) co_return Reply<AcceptedDocument>{unknown_document(collection, document_id)};
  const std::vector<DocumentRef> documents{found->progress.document};
  DocumentRecords removal = removal_records(backend_.clock, caller.traceparent, documents);
  AcceptedDocument accepted = std::move(removal.accepted.front());
  const Stored stored = co_await store(caller, std::move(removal));
  if (!stored) co_return Reply<AcceptedDocument>{problem_from(stored.error())};
  co_return Reply<AcceptedDocument>{std::move(accepted)};
}

net::awaitable<Status> LogDocumentService::remove_all(const Caller& caller,
                                                      const std::vector<DocumentRef>& documents) {
  DocumentRecords removal = removal_records(backend_.clock, caller.traceparent, documents);
  const Stored stored = co_await store(caller, std::move(removal));
  co_return stored ? Status{} : Status{stored.error()};
}

net::awaitable<Reply<std::int64_t>> LogDocumentService::clear(const Caller& caller,
                                                              std::string collection) {
  const auto whole =
      co_await applied_all(backend_, backend_.documents, topics::kDocumentEvents, kClearWait);
  if (!whole) co_return Reply<std::int64_t>{problem_from(whole.error())};
  if (!*whole) {
    co_return Reply<std::int64_t>{
        busy("the list of documents is still being read from the log; nothing was removed", 5)};
  }
  std::int64_t removed = 0;
  const int generation = generation_of(backend_, collection);
  std::string after;
  for (;;) {
    auto work = [&table = backend_.documents, &collection, generation, &after] {
      return scan_live(table, collection, generation, after);
    };
    const auto live = co_await run_blocking(backend_.pool, std::move(work));
    if (live.empty()) break;
    DocumentRecords removal = removal_records(backend_.clock, caller.traceparent, live);
    const Stored stored = co_await store(caller, std::move(removal));
    if (!stored) {
      Problem problem = problem_from(stored.error());
      problem.detail += " (after " + std::to_string(removed) + " documents; ask again)";
      co_return Reply<std::int64_t>{std::move(problem)};
    }
    removed += static_cast<std::int64_t>(live.size());
  }
  co_return Reply<std::int64_t>{removed};
}

}  // namespace millrace
