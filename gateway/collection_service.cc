#include "gateway/collection_service.h"

#include <map>

#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kListMax = 10'000;            // collections in one answer
constexpr std::size_t kIndexPartitionsMax = 1'024;  // the bound of the setting `partitions`
constexpr std::chrono::milliseconds kListWait{200};

}  // namespace

Reply<Collection> LogCollectionService::get(const std::string& name) {
  auto found = find_collection(backend_, name);
  if (!found) return unknown_collection(name);
  return std::move(*found);
}

net::awaitable<std::vector<Collection>> LogCollectionService::list(const Caller& caller) {
  // Late or unknown is no failure: the list is then as old as the table.
  static_cast<void>(
      co_await applied_all(backend_, backend_.collections, topics::kCollections, kListWait));
  auto rows = co_await run_blocking(
      backend_.pool, [&table = backend_.collections] { return table.scan("", "", kListMax); });
  std::map<std::string, Collection> found;
  if (auto always = find_collection(backend_, std::string{kDefaultCollection})) {
    found.emplace(kDefaultCollection, std::move(*always));
  }
  for (const Table::Row& row : rows) {
    if (auto collection = collection_from_row(row.key, row.value)) {
      found.insert_or_assign(row.key, std::move(*collection));
    }
  }
  std::vector<Collection> visible;
  for (auto& [name, collection] : found) {
    if (caller.principal.may_use(name)) visible.push_back(std::move(collection));
  }
  co_return visible;
}

net::awaitable<Reply<CollectionService::Stored>> LogCollectionService::put(const Caller& caller,
                                                                           std::string name,
                                                                           Change change) {
  const auto known = find_collection(backend_, name);
  Stored stored;
  stored.created = !known;
  if (known) {
    stored.collection = *known;
  } else {
    stored.collection.name = name;
    stored.collection.generation = backend_.options.generation;
    stored.collection.created_at = backend_.clock.wall_now();
  }
  if (change.description) stored.collection.description = std::move(*change.description);
  if (change.retention_days) stored.collection.retention_days = *change.retention_days;
  std::vector<Record> records;
  records.push_back(to_record(stored.collection));
  records.back().set_header(headers::kTraceparent, caller.traceparent);
  const auto positions = co_await backend_.appender.append(std::move(records));
  if (!positions) co_return Reply<Stored>{problem_from(positions.error())};
  const Position& at = positions->front();
  backend_.recent_collections.remember(name, stored.collection, {at.source.partition, at.offset});
  co_return Reply<Stored>{std::move(stored)};
}

net::awaitable<Reply<std::int64_t>> LogCollectionService::remove(const Caller& caller,
                                                                 std::string name) {
  using Removed = Reply<std::int64_t>;
  if (name == kDefaultCollection) {
    co_return Removed{
        conflict("the collection \"default\" cannot be deleted; POST /clear removes "
                 "its documents")};
  }
  if (!find_collection(backend_, name)) co_return Removed{unknown_collection(name)};
  const Removed removed = co_await documents_.clear(caller, name);
  if (!removed) co_return removed;
  std::vector<Record> records;
  records.push_back(collection_tombstone(name));
  const auto positions = co_await backend_.appender.append(std::move(records));
  if (!positions) co_return Removed{problem_from(positions.error())};
  const Position& at = positions->front();
  backend_.recent_collections.remember(name, std::nullopt, {at.source.partition, at.offset});
  co_return removed;
}

net::awaitable<std::optional<IndexCounts>> LogCollectionService::index(const Caller& caller,
                                                                       int generation) {
  if (!caller.principal.sees_every_document()) co_return std::nullopt;
  auto work = [&table = backend_.indexes, prefix = index_state_prefix(generation)] {
    IndexCounts sum;
    for (const Table::Row& row : table.scan(prefix, prefix, kIndexPartitionsMax)) {
      if (const auto state = index_from_row(row.key, row.value)) sum += state->counts;
    }
    return sum;
  };
  co_return co_await run_blocking(backend_.pool, std::move(work));
}

}  // namespace millrace
