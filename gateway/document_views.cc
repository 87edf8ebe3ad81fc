// The reading side of LogDocumentService: text, counts, and waiting for documents.
#include <algorithm>

#include "gateway/document_json.h"
#include "gateway/document_service.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "gateway/text_span.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// Counting reads a line of every document, so the answer is kept this long at least.
constexpr std::chrono::milliseconds kCountsKept{1'000};
constexpr int kCountsKeptFactor = 10;  // and this many times as long as it took
constexpr std::chrono::milliseconds kSettleCheck{250};

bool may_read(const Principal& principal, const Table::Row& row, int generation) {
  const auto document = document_from_row(row.key, row.value, generation);
  return document && principal.may_read(document->progress.document.allow);
}

// Blocks. Reads whole events only for those who do not see everything.
CollectionCounts count_rows(const Table& table, const std::string& collection, int generation,
                            const Principal& principal) {
  CollectionCounts counts;
  for_each_document(table, collection, [&](const Table::Row& row) {
    const auto head = stored_document_head(row.value, generation);
    if (!head || is_gone(head->state)) return;
    if (!principal.sees_everything && !may_read(principal, row, generation)) return;
    ++counts.documents;
    if (head->state == DocumentProgress::State::indexed) {
      counts.chunks += head->chunks;
    } else if (head->state == DocumentProgress::State::failed) {
      ++counts.failed;
    } else {
      ++counts.pending;
    }
  });
  return counts;
}

}  // namespace

net::awaitable<CollectionCounts> LogDocumentService::counts(const Caller& caller,
                                                            std::string collection) {
  const Principal& principal = caller.principal;
  const CountedFor key{collection, generation_of(backend_, collection), principal.sees_everything,
                       principal.groups};
  {
    const std::lock_guard lock{mutex_};
    const auto cached = counts_.find(key);
    if (cached != counts_.end() && backend_.clock.now() < cached->second.until) {
      co_return cached->second.counts;
    }
  }
  co_await read_own_writes();
  const auto began = backend_.clock.now();
  auto work = [&table = backend_.documents, &collection, &principal, &generation = key.generation] {
    return count_rows(table, collection, generation, principal);
  };
  const CollectionCounts counted = co_await run_blocking(backend_.pool, std::move(work));
  const auto now = backend_.clock.now();
  const auto kept = std::max<Clock::Steady::duration>((now - began) * kCountsKeptFactor,
                                                      Clock::Steady::duration{kCountsKept});
  const std::lock_guard lock{mutex_};
  std::erase_if(counts_, [now](const auto& entry) { return entry.second.until < now; });
  counts_[key] = {counted, now + kept};
  co_return counted;
}

net::awaitable<Reply<TextSpan>> LogDocumentService::text(const Caller& caller, TextRequest wanted) {
  const std::string key = document_key(wanted.collection, wanted.document_id);
  const auto row = backend_.texts.get(key);
  const auto head = row ? stored_text_head(*row) : std::nullopt;
  if (!head) co_return Reply<TextSpan>{no_text(wanted)};
  // What replaces this text may be for fewer eyes already, and not be extracted yet.
  const auto newest = find(wanted.collection, wanted.document_id);
  if (newest && !caller.principal.may_read(newest->progress.document.allow)) {
    co_return Reply<TextSpan>{no_text(wanted)};
  }
  const Position at{{std::string{topics::kTexts}, head->position.partition}, head->position.offset};
  auto work = [&log = backend_.log, &at, &wanted, &caller] {
    return read_text_span(log, at, wanted, caller.principal);
  };
  co_return co_await run_blocking(backend_.pool, std::move(work));
}

net::awaitable<Reply<bool>> LogDocumentService::settled(const Caller& caller,
                                                        std::string collection,
                                                        std::vector<AcceptedDocument> documents,
                                                        std::chrono::milliseconds wait) {
  const auto executor = co_await net::this_coro::executor;
  ProgressHub::Topic topic{collection, {}};
  const auto live = backend_.progress.subscribe(std::move(topic), {}, executor).live;
  const auto deadline = backend_.clock.now() + wait;
  bool stopping = false;
  while (!documents.empty() && !stopping && backend_.clock.now() < deadline) {
    std::erase_if(documents, [&](const AcceptedDocument& document) {
      const auto found = find(collection, document.id);
      const bool superseded = found && found->progress.document.revision != document.revision;
      return superseded || (found && is_final(found->progress.state));
    });
    if (documents.empty()) break;
    // The event may come before the table has it: look again soon.
    const auto batch = co_await live->receive(kSettleCheck);
    stopping = batch.closed && batch.reason != "slow_client";
  }
  backend_.progress.unsubscribe(live);
  static_cast<void>(caller);
  co_return Reply<bool>{documents.empty()};
}

}  // namespace millrace
