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

constexpr std::size_t kCountPage = 2'000;
// Counting reads a line of every document, so the answer is kept this long at least.
constexpr std::chrono::milliseconds kCountsKept{1'000};
constexpr int kCountsKeptFactor = 10;  // and this many times as long as it took
constexpr std::chrono::milliseconds kSettleCheck{250};

// Blocks.
CollectionCounts count_rows(const Table& table, const std::string& collection) {
  CollectionCounts counts;
  const std::string prefix = document_key(collection, "");
  std::string after = prefix;
  for (;;) {
    const auto rows = table.scan(prefix, after, kCountPage);
    if (rows.empty()) return counts;
    after = rows.back().key;
    for (const Table::Row& row : rows) {
      const auto head = stored_document_head(row.value);
      if (!head || head->state == DocumentProgress::State::deleted) continue;
      ++counts.documents;
      if (head->state == DocumentProgress::State::indexed) {
        counts.chunks += head->chunks;
      } else if (head->state == DocumentProgress::State::failed) {
        ++counts.failed;
      } else {
        ++counts.pending;
      }
    }
  }
}

}  // namespace

net::awaitable<CollectionCounts> LogDocumentService::counts(std::string collection) {
  {
    const std::lock_guard lock{mutex_};
    const auto cached = counts_.find(collection);
    if (cached != counts_.end() && backend_.clock.now() < cached->second.until) {
      co_return cached->second.counts;
    }
  }
  co_await read_own_writes();
  const auto began = backend_.clock.now();
  auto work = [&table = backend_.documents, &collection] { return count_rows(table, collection); };
  const CollectionCounts counted = co_await run_blocking(backend_.pool, std::move(work));
  const auto now = backend_.clock.now();
  const auto kept = std::max<Clock::Steady::duration>((now - began) * kCountsKeptFactor,
                                                      Clock::Steady::duration{kCountsKept});
  const std::lock_guard lock{mutex_};
  std::erase_if(counts_, [now](const auto& entry) { return entry.second.until < now; });
  counts_[collection] = {counted, now + kept};
  co_return counted;
}

net::awaitable<Reply<TextSpan>> LogDocumentService::text(const Caller& caller, TextRequest wanted) {
  const Problem missing = not_found("there is no text of document \"" + wanted.document_id +
                                    "\" in collection \"" + wanted.collection + "\"");
  const std::string key = document_key(wanted.collection, wanted.document_id);
  const auto row = backend_.texts.get(key);
  const auto head = row ? stored_text_head(*row) : std::nullopt;
  if (!head) co_return Reply<TextSpan>{missing};
  if (!wanted.revision.empty() && wanted.revision != head->revision) {
    co_return Reply<TextSpan>{not_found("revision " + wanted.revision +
                                        " of the document has been superseded by " +
                                        head->revision)};
  }
  const Position at{{std::string{topics::kTexts}, head->position.partition}, head->position.offset};
  auto work = [&log = backend_.log, &at, &wanted, &caller] {
    return read_text_span(log, at, wanted, caller.principal);
  };
  auto span = co_await run_blocking(backend_.pool, std::move(work));
  if (!span && span.error().status == 404) co_return Reply<TextSpan>{missing};
  co_return span;
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
