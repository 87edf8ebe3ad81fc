#include "gateway/generation_keeper.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <utility>

#include "common/ids.h"
#include "common/logging.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/chunk.h"
#include "schemas/erasure.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using State = Generation::State;

constexpr std::chrono::seconds kPause{5};
constexpr std::chrono::milliseconds kTableWait{2'000};
constexpr std::size_t kCollectionsMax = 10'000;  // of one look
constexpr std::size_t kRemovalsMax = 1'000;      // of one pass and collection
constexpr std::array kStates{State::building, State::paused, State::serving, State::kept};

bool is_being_built(const Generation& generation) {
  return generation.state == State::building || generation.state == State::paused;
}

}  // namespace

GenerationKeeper::GenerationKeeper(const Backend& backend, GenerationService& generations,
                                   MetricsRegistry& metrics)
    : backend_{backend},
      generations_{generations},
      behind_{metrics.gauge("generation_documents_behind",
                            "Documents that generations which are being built still have to "
                            "index.")} {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    by_state_[i] = metrics.gauge("generations", "Generations of collections that have several.",
                                 {{"state", std::string{to_string(kStates[i])}}});
  }
}

void GenerationKeeper::start(net::io_context& io) {
  net::co_spawn(net::make_strand(io), run(), net::detached);
}

net::awaitable<void> GenerationKeeper::run() {
  net::steady_timer timer{co_await net::this_coro::executor};
  for (;;) {
    co_await pass();
    timer.expires_after(kPause);
    co_await timer.async_wait(net::as_tuple(net::use_awaitable));
  }
}

net::awaitable<void> GenerationKeeper::pass() {
  const auto current =
      co_await applied_all(backend_, backend_.collections, topics::kCollections, kTableWait);
  if (!current || !*current) co_return;  // what the table does not know yet may have topics
  const auto seen = co_await run_blocking(backend_.pool, [this] { return look(); });
  if (!seen) {
    log_event(LogLevel::warning, "generations_unreadable", {{"error", seen.error().message}});
    co_return;
  }
  co_await count(seen->collections);
  co_await end_kept(seen->collections);
  co_await leave_first(seen->collections);
  co_await delete_orphans(*seen);
}

Result<GenerationKeeper::Seen> GenerationKeeper::look() const {
  Seen seen;
  for (const Table::Row& row : backend_.collections.scan("", "", kCollectionsMax)) {
    auto collection = collection_from_row(row.key, row.value);
    if (collection && !collection->generations.empty()) {
      seen.collections.push_back(std::move(*collection));
    }
  }
  auto names = backend_.log.topics();
  if (!names) return names.error();
  for (std::string& name : *names) {
    if (generation_of_topic(name) > kGeneration) seen.topics.push_back(std::move(name));
  }
  return seen;
}

net::awaitable<void> GenerationKeeper::count(const std::vector<Collection>& collections) {
  std::array<std::int64_t, kStates.size()> by_state{};
  std::int64_t behind = 0;
  for (const Collection& collection : collections) {
    for (const Generation& each : collection.generations) {
      ++by_state[static_cast<std::size_t>(std::ranges::find(kStates, each.state) -
                                          kStates.begin())];
    }
    if (std::ranges::none_of(collection.generations, is_being_built)) continue;
    const auto views = co_await generations_.list(nobody_, collection.name);
    if (!views) continue;  // it was deleted meanwhile
    for (const GenerationView& view : *views) {
      if (is_being_built(view.generation)) behind += view.behind;
    }
  }
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    by_state_[i].set(static_cast<double>(by_state[i]));
  }
  behind_.set(static_cast<double>(behind));
}

net::awaitable<void> GenerationKeeper::end_kept(const std::vector<Collection>& collections) {
  const std::chrono::milliseconds keep = backend_.options.generation_keep;
  if (keep.count() == 0) co_return;
  const Clock::Wall over = backend_.clock.wall_now() - keep;
  for (const Collection& collection : collections) {
    for (const Generation& each : collection.generations) {
      if (each.state != State::kept || each.since > over) continue;
      const auto removed = co_await generations_.remove(nobody_, collection.name, each.number);
      log_event(LogLevel::info, "generation_kept_long_enough",
                {{"collection", collection.name},
                 {"generation", each.number},
                 {"error", removed ? "" : removed.error().detail}});
    }
  }
}

// What the first generation's chunker would say of a removed document, once for each that is still
// indexed there: looked for until, for a while, there is none, as something may have been on its
// way.
net::awaitable<void> GenerationKeeper::leave_first(const std::vector<Collection>& collections) {
  const Clock::Steady now = backend_.clock.now();
  std::map<std::string, Clock::Steady> left;
  for (const Collection& collection : collections) {
    if (collection.is_in(kGeneration)) continue;
    const auto before = left_.find(collection.name);
    if (before != left_.end() && now - before->second >= kOrphanWait) {
      left.insert(*before);
      continue;
    }
    auto removals = co_await run_blocking(
        backend_.pool, [this, &collection] { return removals_from_first(collection.name); });
    if (removals.empty()) {
      left.emplace(collection.name, before == left_.end() ? now : before->second);
      continue;
    }
    const std::size_t count = removals.size();
    const auto stored = co_await backend_.appender.append(std::move(removals));
    log_event(LogLevel::info, "documents_leave_first_generation",
              {{"collection", collection.name},
               {"documents", count},
               {"error", stored ? "" : stored.error().message}});
  }
  left_ = std::move(left);
}

std::vector<Record> GenerationKeeper::removals_from_first(const std::string& collection) const {
  std::vector<Record> removals;
  for_each_document(backend_.documents, collection, [&](const Table::Row& row) {
    if (removals.size() == kRemovalsMax) return;
    const auto head = stored_document_head(row.value, kGeneration);
    if (!head || head->state != DocumentProgress::State::indexed) return;
    const auto status = document_from_row(row.key, row.value, kGeneration);
    if (!status) return;
    ChunkEvent removal;
    removal.document = without_content(status->progress.document);
    removal.document.revision = new_ulid(backend_.clock);
    removal.removed = true;
    removals.push_back(to_record(removal, kGeneration));
  });
  return removals;
}

net::awaitable<void> GenerationKeeper::delete_orphans(const Seen& seen) {
  std::set<int> known;
  for (const Collection& collection : seen.collections) {
    for (const Generation& each : collection.generations) known.insert(each.number);
  }
  const Clock::Steady now = backend_.clock.now();
  std::map<int, Clock::Steady> orphans;
  std::vector<std::string> doomed;
  for (const std::string& topic : seen.topics) {
    const int number = generation_of_topic(topic);
    if (known.contains(number)) continue;
    const auto before = orphans_.find(number);
    const Clock::Steady since = before == orphans_.end() ? now : before->second;
    orphans.emplace(number, since);
    if (now - since >= kOrphanWait) doomed.push_back(topic);
  }
  orphans_ = std::move(orphans);
  if (doomed.empty()) co_return;
  const Status deleted = co_await run_blocking(
      backend_.pool, [&log = backend_.log, &doomed] { return log.delete_topics(doomed); });
  log_event(deleted ? LogLevel::info : LogLevel::warning, "generation_topics_deleted",
            {{"topics", doomed.size()}, {"error", deleted ? "" : deleted.error().message}});
}

}  // namespace millrace
