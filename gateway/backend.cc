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
