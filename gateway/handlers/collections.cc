#include "gateway/handlers/collections.h"

#include <map>

#include "common/ids.h"
#include "gateway/handlers/fields.h"

namespace millrace {
namespace {

constexpr std::size_t kDescriptionBytesMax = 4'096;

void write_collection(json::Writer& out, const Collection& collection,
                      const CollectionCounts& counts, const std::optional<IndexCounts>& index) {
  out.begin_object()
      .field("name", collection.name)
      .field("description", collection.description)
      .field("generation", static_cast<std::int64_t>(collection.generation));
  if (collection.retention_days > 0) out.field("retention_days", collection.retention_days);
  if (collection.created_at != Clock::Wall{}) {
    out.field("created_at", format_time(collection.created_at));
  }
  out.field("documents", counts.documents)
      .field("chunks", counts.chunks)
      .field("pending", counts.pending)
      .field("failed", counts.failed);
  if (index) write_index(out, *index, index->of(collection.name));
  out.end_object();
}

}  // namespace

void write_index(json::Writer& out, const IndexCounts& index, const IndexedCollection& of) {
  out.key("index")
      .begin_object()
      .field("documents", of.documents)
      .field("chunks", of.chunks)
      .field("segments", index.segments)
      .field("disk_bytes", index.disk_bytes)
      .field("memory_bytes", index.memory_bytes)
      .field("merges", index.merges)
      .end_object();
}

net::awaitable<Response> list_collections(const Request& request, Services& services) {
  const auto collections = co_await services.collections.list(request.caller);
  std::map<int, std::optional<IndexCounts>> indexes;
  json::Writer out;
  out.begin_object().key("collections").begin_array();
  for (const Collection& collection : collections) {
    const int generation = collection.generation;
    if (!indexes.contains(generation)) {
      indexes[generation] = co_await services.collections.index(request.caller, generation);
    }
    const CollectionCounts counts =
        co_await services.documents.counts(request.caller, collection.name);
    write_collection(out, collection, counts, indexes[generation]);
  }
  out.end_array().end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> get_collection(const Request& request, Services& services) {
  const auto collection = services.collections.get(request.param("c"));
  if (!collection) co_return Response{collection.error()};
  const CollectionCounts counts =
      co_await services.documents.counts(request.caller, collection->name);
  const auto index = co_await services.collections.index(request.caller, collection->generation);
  json::Writer out;
  write_collection(out, *collection, counts, index);
  co_return Response{200, out.take()};
}

net::awaitable<Response> put_collection(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  std::string description;
  json::ObjectReader in{body->root(), "collection"};
  const bool given = in.optional("description", description);
  std::int64_t retention_days = 0;
  const bool kept = in.optional("retention_days", retention_days, 0, Collection::kRetentionDaysMax);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (description.size() > kDescriptionBytesMax) {
    co_return Response{bad_field("description", "is longer than 4096 bytes")};
  }
  CollectionService::Change change;
  if (given) change.description = std::move(description);
  if (kept) change.retention_days = retention_days;
  const auto stored =
      co_await services.collections.put(request.caller, request.param("c"), std::move(change));
  if (!stored) co_return Response{stored.error()};
  const CollectionCounts counts =
      co_await services.documents.counts(request.caller, stored->collection.name);
  const auto index =
      co_await services.collections.index(request.caller, stored->collection.generation);
  json::Writer out;
  write_collection(out, stored->collection, counts, index);
  co_return Response{stored->created ? 201U : 200U, out.take()};
}

net::awaitable<Response> delete_collection(const Request& request, Services& services) {
  const auto removed = co_await services.collections.remove(request.caller, request.param("c"));
  if (!removed) co_return Response{removed.error()};
  json::Writer out;
  out.begin_object().field("status", "deleted").field("documents", *removed).end_object();
  co_return Response{202, out.take()};
}

}  // namespace millrace
