#include <algorithm>
#include <cassert>

#include "schemas/float16.h"
#include "workers/index/chunk_store.h"
#include "workers/index/store_keys.h"

// What is written together, and what is read as it was at one moment.
namespace millrace {

void StoreBatch::add_chunk(const ChunkRow& row, std::string_view vector) {
  batch_.Put(store_.rows_, number_key('c', numbers_.slot), encode(row));
  batch_.Put(store_.vectors_, vector_key(numbers_.slot), slice(vector));
  ++numbers_.slot;
}
void StoreBatch::put_revision(std::uint64_t number, const RevisionRow& row) {
  batch_.Put(store_.rows_, number_key('r', number), encode(row));
}
void StoreBatch::put_document(std::string_view key, const DocumentRow& row) {
  batch_.Put(store_.rows_, text_key('d', key), encode(row));
}
void StoreBatch::put_collection(std::string_view name, const CollectionRow& row) {
  batch_.Put(store_.rows_, text_key('n', name), encode(row));
}
void StoreBatch::put_staged(std::string_view key, std::string_view revision, std::int32_t batch,
                            const StagedRow& row) {
  batch_.Put(store_.rows_, staged_key(key, revision, batch), encode(row));
}
void StoreBatch::remove_staged(std::string_view key, std::string_view revision,
                               std::int32_t batch) {
  batch_.Delete(store_.rows_, staged_key(key, revision, batch));
}
void StoreBatch::put_garbage(const ChunkStore::Garbage& garbage) {
  batch_.Put(store_.rows_, number_key('g', garbage.revision_number), encode(garbage.ranges));
}
void StoreBatch::remove_garbage(const ChunkStore::Garbage& garbage) {
  for (const SlotRange& range : garbage.ranges) {
    for (std::uint64_t slot = range.first; slot < range.first + range.count; ++slot) {
      batch_.Delete(store_.rows_, number_key('c', slot));
      batch_.Delete(store_.vectors_, vector_key(slot));
    }
  }
  batch_.Delete(store_.rows_, number_key('r', garbage.revision_number));
  batch_.Delete(store_.rows_, number_key('g', garbage.revision_number));
  batch_.Put(store_.rows_, number_key('x', garbage.revision_number), encode(garbage.ranges));
}

StoreView::StoreView(const ChunkStore& store)
    : store_{&store}, snapshot_{store.db_->GetSnapshot(), Release{store.db_.get()}} {}

template <class Row>
Result<std::vector<Row>> StoreView::rows(char prefix, std::span<const std::uint64_t> numbers,
                                         std::string_view what) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_.get();
  std::vector<std::string> keys;
  for (const std::uint64_t number : numbers) keys.push_back(number_key(prefix, number));
  const std::vector<rocksdb::Slice> slices{keys.begin(), keys.end()};
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  store_->db_->MultiGet(options, store_->rows_, keys.size(), slices.data(), values.data(),
                        statuses.data());
  std::vector<Row> rows(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) return damaged(std::string{what} + ", which is missing,");
    if (!statuses[i].ok()) return error_from("read " + std::string{what}, statuses[i]);
    if (!decode(view_of(values[i]), rows[i])) return damaged(what);
  }
  return rows;
}

Result<std::vector<ChunkRow>> StoreView::chunks(std::span<const std::uint64_t> slots) const {
  return rows<ChunkRow>('c', slots, "a chunk's row");
}
Result<std::vector<RevisionRow>> StoreView::revisions(
    std::span<const std::uint64_t> numbers) const {
  return rows<RevisionRow>('r', numbers, "a revision's row");
}
Result<RevisionRow> StoreView::revision(std::uint64_t number) const {
  Result<std::vector<RevisionRow>> found = revisions({&number, 1});
  if (!found) return found.error();
  return std::move(found->front());
}

Status StoreView::vectors(std::span<const std::uint64_t> slots, std::span<float> values) const {
  const std::size_t dimensions = store_->dimensions_;
  assert(values.size() == slots.size() * dimensions);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_.get();
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> row{store_->db_->NewIterator(options, store_->vectors_)};
  std::vector<float> vector;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::string key = vector_key(slots[i]);
    if (i > 0 && slots[i] == slots[i - 1] + 1) {
      row->Next();
    } else {
      row->Seek(key);
    }
    if (!row->Valid() || view_of(row->key()) != key ||
        !decode_float16(view_of(row->value()), vector) || vector.size() != dimensions) {
      if (!row->status().ok()) return error_from("read vectors", row->status());
      return damaged("the vector of slot " + std::to_string(slots[i]));
    }
    std::copy(vector.begin(), vector.end(),
              values.begin() + static_cast<std::ptrdiff_t>(i * dimensions));
  }
  return {};
}

}  // namespace millrace
