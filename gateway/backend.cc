#include "gateway/backend.h"

#include "common/json.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"

namespace millrace {

net::awaitable<bool> applied(Table& table, Offsets target, std::chrono::milliseconds wait) {
  const auto executor = co_await net::this_coro::executor;
  const auto box = std::make_shared<Mailbox<bool>>(executor, 1);
  table.when_applied(target, [box](bool done) { box->push(done); });
  const auto batch = co_await box->receive(wait);
  co_return !batch.items.empty() && batch.items.front();
}

net::awaitable<Result<Offsets>> topic_ends(const Backend& backend, std::string_view topic) {
  co_return co_await run_blocking(backend.pool,
                                  [&log = backend.log, topic] { return end_offsets(log, topic); });
}

net::awaitable<Result<bool>> applied_all(const Backend& backend, Table& table,
                                         std::string_view topic, std::chrono::milliseconds wait) {
  auto ends = co_await topic_ends(backend, topic);
  if (!ends) co_return Result<bool>{ends.error()};
  const bool all = co_await applied(table, std::move(*ends), wait);
  co_return Result<bool>{all};
}

std::optional<Collection> find_collection(const Backend& backend, const std::string& name) {
  const auto row = backend.collections.get(name);
  std::optional<StreamPosition> position;
  std::optional<Collection> stored;
  if (row) {
    position = parse_stream_position(std::string_view{*row}.substr(0, row->find('\n')));
    stored = collection_from_row(name, *row);
  }
  if (auto recent = backend.recent_collections.newer_than(name, position)) {
    stored = std::move(recent->value);
  }
  if (!stored && name == kDefaultCollection) {
    stored.emplace();
    stored->name = name;
    stored->description = "The collection of the plain endpoints.";
    stored->generation = backend.options.generation;
  }
  return stored;
}

Problem unknown_collection(const std::string& name) {
  return not_found("there is no collection \"" + name + "\"");
}

int generation_of(const Backend& backend, const std::string& collection) {
  const auto found = find_collection(backend, collection);
  return found ? found->generation : backend.options.generation;
}

StreamEvent closed_event(const std::string& reason) {
  json::Writer out;
  out.begin_object().field("reason", reason).end_object();
  return {"", "closed", out.take()};
}

}  // namespace millrace
