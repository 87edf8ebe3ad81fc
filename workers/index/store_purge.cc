#include <rocksdb/write_batch.h>

#include <algorithm>

#include "common/log/purge_database.h"
#include "workers/index/chunk_store.h"
#include "workers/index/store_keys.h"

// RocksDB keeps what was removed until a compaction meets it: here it is made to.
namespace millrace {
namespace {

// Slots and revisions that lie nearer together are purged at once: a few MB of vectors.
constexpr std::uint64_t kNear = 4'096;

// Ranges of numbers that cover `numbers`, as keys.
template <class Key>
std::vector<KeyRange> near_ranges(std::vector<SlotRange> numbers, const Key& key) {
  std::ranges::sort(numbers, {}, &SlotRange::first);
  std::vector<KeyRange> ranges;
  std::uint64_t end = 0;
  for (const SlotRange& each : numbers) {
    const bool is_near = !ranges.empty() && each.first <= end + kNear;
    if (!is_near) ranges.push_back({key(each.first), {}});
    end = std::max(is_near ? end : 0, each.first + each.count);
    ranges.back().last = key(end);
  }
  return ranges;
}

}  // namespace

Result<bool> ChunkStore::has_removed() const {
  const std::unique_ptr<rocksdb::Iterator> row{db_->NewIterator({}, rows_)};
  row->Seek("x");
  const bool found = row->Valid() && row->key().starts_with("x");
  if (!row->status().ok()) return error_from("read the index", row->status());
  return found;
}

Result<bool> ChunkStore::purge() {
  const std::uint64_t now = db_->GetLatestSequenceNumber();
  const Result<std::vector<Garbage>> removed = garbage('x');
  if (!removed) return removed.error();
  std::uint64_t oldest = 0;  // what somebody reads; 0: nobody does
  db_->GetIntProperty("rocksdb.oldest-snapshot-sequence", &oldest);
  if (oldest != 0 && oldest < now) return false;
  if (removed->empty()) return true;
  std::vector<SlotRange> slots;
  std::vector<SlotRange> revisions;
  for (const Garbage& each : *removed) {
    slots.insert(slots.end(), each.ranges.begin(), each.ranges.end());
    revisions.push_back({each.revision_number, 1});
  }
  const auto prefixed = [](char prefix) {
    return [prefix](std::uint64_t number) { return number_key(prefix, number); };
  };
  std::vector<KeyRange> rows = near_ranges(slots, prefixed('c'));
  std::ranges::move(near_ranges(revisions, prefixed('r')), std::back_inserter(rows));
  rocksdb::ColumnFamilyHandle* const families[] = {rows_, vectors_};
  rocksdb::Status purged = purge_ranges(*db_, families, rows_, rows);
  if (purged.ok()) {
    purged = purge_ranges(*db_, families, vectors_, near_ranges(slots, vector_key));
  }
  if (!purged.ok()) return error_from("purge the index", purged);
  rocksdb::WriteBatch batch;
  for (const Garbage& each : *removed) {
    batch.Delete(rows_, number_key('x', each.revision_number));
  }
  const rocksdb::Status written = db_->Write({}, &batch);
  if (!written.ok()) return error_from("write to the index", written);
  return true;
}

}  // namespace millrace
