#include "common/log/embedded_purge.h"

#include <algorithm>

#include "common/log/purge_database.h"

namespace millrace {
namespace {

// What lies nearer together is written anew at once: about a file.
constexpr std::uint64_t kNearBytes = 16U << 20U;

}  // namespace

void remove_record(const EmbeddedStore& store, PartitionId id, Offset offset,
                   rocksdb::WriteBatch& batch) {
  batch.Delete(store.records(), record_row(id, offset));
  batch.Put(store.meta(), removed_row(id, offset), encode_offset(offset + 1));
}

Result<std::vector<std::pair<std::string, std::string>>> EmbeddedPurge::run() {
  std::vector<std::pair<std::string, std::string>> rows;
  const auto removed = find(rows);
  if (!removed) return removed.error();
  if (rows.empty()) return rows;
  std::vector<KeyRange> ranges;
  for (std::size_t at = 0; at < removed->size();) {
    std::size_t next = at + 1;
    while (next < removed->size() && are_near((*removed)[next - 1], (*removed)[next])) ++next;
    Offset end = 0;
    for (std::size_t i = at; i < next; ++i) end = std::max(end, (*removed)[i].to);
    const PartitionId id = (*removed)[at].id;
    ranges.push_back({record_row(id, (*removed)[at].from), record_row(id, end)});
    at = next;
  }
  rocksdb::ColumnFamilyHandle* const families[] = {store_.meta(), store_.records(), store_.keys()};
  const rocksdb::Status purged = purge_ranges(store_.db(), families, store_.records(), ranges);
  if (!purged.ok()) return store_.error("purge the log", purged);
  return rows;
}

Result<std::vector<EmbeddedPurge::Removed>> EmbeddedPurge::find(
    std::vector<std::pair<std::string, std::string>>& rows) const {
  std::vector<Removed> removed;
  const std::unique_ptr<rocksdb::Iterator> each{store_.db().NewIterator({}, store_.meta())};
  const std::string prefix(1, meta::kRemoved);
  for (each->Seek(prefix); each->Valid() && each->key().starts_with(prefix); each->Next()) {
    if (rows.size() == kRowsMax) break;
    const auto row = parse_removed_row(each->key().ToStringView());
    const auto end = decode_offset(each->value().ToStringView());
    if (!row || !end) {
      return fatal("read the log in " + store_.where() + ": the row of a removal is damaged");
    }
    removed.push_back({row->id, row->offset, *end});
    rows.emplace_back(each->key().ToString(), each->value().ToString());
  }
  if (!each->status().ok()) return store_.error("read the log", each->status());
  return removed;
}

bool EmbeddedPurge::are_near(const Removed& a, const Removed& b) const {
  if (a.id != b.id) return false;
  if (b.from <= a.to) return true;
  const std::string from = record_row(a.id, a.to);
  const std::string to = record_row(b.id, b.from);
  const rocksdb::Range between{from, to};
  std::uint64_t bytes = 0;
  const rocksdb::Status measured =
      store_.db().GetApproximateSizes(store_.records(), &between, 1, &bytes);
  return !measured.ok() || bytes < kNearBytes;
}

}  // namespace millrace
