#include "schemas/index_state.h"

#include <utility>
#include <vector>

#include "schemas/codec.h"
#include "schemas/collection.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// Lest the sums of what a topic says overflow: a petabyte, over any number of partitions.
constexpr std::int64_t kCountMax = std::int64_t{1} << 50;

void write_members(json::Writer& out, const IndexedCollection& counts) {
  out.field("documents", counts.documents).field("chunks", counts.chunks);
}

void read_members(json::ObjectReader& in, IndexedCollection& counts) {
  read_integer(in, "documents", counts.documents, 0, kCountMax);
  read_integer(in, "chunks", counts.chunks, 0, kCountMax);
}

void read_collections(json::ObjectReader& in, IndexCounts& counts) {
  std::vector<std::pair<std::string, IndexedCollection>> collections;
  read_objects(in, "collections", collections, [](json::ObjectReader& inner, auto& each) {
    inner.required("name", each.first);
    if (!inner.failed() && !valid_collection_name(each.first)) {
      inner.fail("name is no collection name");
    }
    read_members(inner, each.second);
  });
  for (auto& [name, each] : collections) counts.collections.insert_or_assign(std::move(name), each);
}

}  // namespace

const IndexedCollection& IndexCounts::of(std::string_view collection) const {
  static const IndexedCollection kNothing;
  const auto found = collections.find(collection);
  return found == collections.end() ? kNothing : found->second;
}

IndexCounts& IndexCounts::operator+=(const IndexCounts& other) {
  all.documents += other.all.documents;
  all.chunks += other.all.chunks;
  for (const auto& [name, each] : other.collections) {
    IndexedCollection& sum = collections[name];
    sum.documents += each.documents;
    sum.chunks += each.chunks;
  }
  segments += other.segments;
  disk_bytes += other.disk_bytes;
  memory_bytes += other.memory_bytes;
  merges += other.merges;
  return *this;
}

Record to_record(const IndexState& state) {
  const IndexCounts& counts = state.counts;
  json::Writer out;
  out.begin_object()
      .field("generation", std::int32_t{state.generation})
      .field("partition", state.partition)
      .field("position", state.position);
  write_members(out, counts.all);
  out.field("segments", counts.segments)
      .field("disk_bytes", counts.disk_bytes)
      .field("memory_bytes", counts.memory_bytes)
      .field("merges", counts.merges)
      .key("collections")
      .begin_array();
  std::size_t left = IndexState::kCollectionsMax;
  for (const auto& [name, each] : counts.collections) {
    if (left-- == 0) break;
    out.begin_object().field("name", name);
    write_members(out, each);
    out.end_object();
  }
  out.end_array();
  out.field("purged", state.purged);
  write_time(out, "at_ms", state.at);
  out.end_object();
  return make_event(topics::kIndexStates,
                    index_state_prefix(state.generation) + std::to_string(state.partition),
                    IndexState::kType, out.take());
}

Result<IndexState> index_state_from(const Record& record) {
  return decode_event<IndexState>(
      record, [](json::ObjectReader& in, std::string_view, IndexState& state) {
        read_integer(in, "generation", state.generation, 1);
        read_integer(in, "partition", state.partition, 0);
        read_integer(in, "position", state.position, 0);
        IndexCounts& counts = state.counts;
        read_members(in, counts.all);
        read_integer(in, "segments", counts.segments, 0, kCountMax);
        read_integer(in, "disk_bytes", counts.disk_bytes, 0, kCountMax);
        read_integer(in, "memory_bytes", counts.memory_bytes, 0, kCountMax);
        read_integer(in, "merges", counts.merges, 0, kCountMax);
        read_collections(in, counts);
        in.optional("purged", state.purged, 0);
        read_time(in, "at_ms", state.at);
      });
}

std::string index_state_prefix(int generation) { return std::to_string(generation) + "/"; }

}  // namespace millrace
