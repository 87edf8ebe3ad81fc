#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/log/record.h"
#include "workers/index/row_codec.h"

namespace millrace {

class StoreBatch;
class StoreView;

// The truth of a partition index, in RocksDB. Keys (N: eight bytes, big-endian):
//   c N  chunk of slot N            r N  revision number N
//   d K  document K                 s K NUL REVISION NUL N  staged batch N
//   g N  slots of revision N that nothing refers to any more, still to be removed
//   x N  those that were removed, and whose bytes may still be in the files
//   n C  collection C                m    format, numbers, position
// and in the column family `vectors`:  N  vector of slot N, float16, little-endian.
// One thread writes; reading is free. Failures: `unavailable` from the disk, `fatal` for damage.
class ChunkStore {
 public:
  // `rejected` when it holds vectors of other dimensions, `fatal` when it is damaged or of another
  // format, and so to be removed and built again.
  static Result<std::unique_ptr<ChunkStore>> open(const std::filesystem::path& directory,
                                                  std::int32_t dimensions);
  ~ChunkStore();

  // The next numbers to give; never given before.
  struct Numbers {
    std::uint64_t slot = 0;
    std::uint64_t revision = 0;
  };
  const Numbers& numbers() const { return numbers_; }
  std::optional<Offset> position() const { return position_; }
  const std::string& index_id() const { return index_id_; }  // random, for the life of the files

  // Not yet durable; atomic.
  Status write(StoreBatch& batch);
  // Durable, with everything written before.
  Status write_position(Offset position);
  Status sync();

  Result<std::optional<DocumentRow>> document(std::string_view key) const;
  Status each_document(const std::function<void(std::string_view, DocumentRow)>& visit) const;
  Status each_staged(const std::function<Status(std::string_view, StagedRow)>& visit) const;
  struct Garbage {
    std::uint64_t revision_number = 0;
    std::vector<SlotRange> ranges;
  };
  Result<std::vector<Garbage>> garbage() const { return garbage('g'); }
  Status each_collection(const std::function<void(std::string_view, CollectionRow)>& visit) const;

  // Makes the bytes of what was removed leave the files. False: something that is being read still
  // needs them; try again. Blocks; any thread.
  Result<bool> purge();
  Result<bool> has_removed() const;  // what purge() has to do

  // A copy of everything written, by hard links where that can be; the directory must not exist.
  Status copy_to(const std::filesystem::path& directory) const;

  // What is there now, for reading later. Memory only.
  StoreView view() const;

 private:
  friend class StoreBatch;
  friend class StoreView;
  ChunkStore() = default;
  Result<std::vector<Garbage>> garbage(char prefix) const;
  Status load(std::int32_t dimensions);
  Status create(std::int32_t dimensions);

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* rows_ = nullptr;     // owned, closed in the destructor
  rocksdb::ColumnFamilyHandle* vectors_ = nullptr;  // the same
  std::size_t dimensions_ = 0;
  Numbers numbers_;
  std::optional<Offset> position_;
  std::string index_id_;
};

// Changes that are written together.
class StoreBatch {
 public:
  explicit StoreBatch(const ChunkStore& store) : store_{store} {}

  // Gives the chunk the next slot.
  void add_chunk(const ChunkRow& row, std::string_view vector);
  std::uint64_t next_revision() { return numbers_.revision++; }
  const ChunkStore::Numbers& numbers() const { return numbers_; }
  void put_revision(std::uint64_t number, const RevisionRow& row);
  void put_document(std::string_view key, const DocumentRow& row);
  void put_collection(std::string_view name, const CollectionRow& row);
  void put_staged(std::string_view key, std::string_view revision, std::int32_t batch,
                  const StagedRow& row);
  void remove_staged(std::string_view key, std::string_view revision, std::int32_t batch);
  void put_garbage(const ChunkStore::Garbage& garbage);
  // Removes the rows that a garbage row names, and that row.
  void remove_garbage(const ChunkStore::Garbage& garbage);
  bool empty() const { return batch_.Count() == 0; }

 private:
  friend class ChunkStore;
  const ChunkStore& store_;
  rocksdb::WriteBatch batch_;
  ChunkStore::Numbers numbers_ = store_.numbers_;
};

// Rows as they were at one moment. Any thread. Must not outlive the store.
class StoreView {
 public:
  explicit StoreView(const ChunkStore& store);
  Result<std::vector<ChunkRow>> chunks(std::span<const std::uint64_t> slots) const;
  Result<std::vector<RevisionRow>> revisions(std::span<const std::uint64_t> numbers) const;
  Result<RevisionRow> revision(std::uint64_t number) const;
  // The vectors of these slots, which ascend, behind one another in `values`, which is as large.
  Status vectors(std::span<const std::uint64_t> slots, std::span<float> values) const;

 private:
  // As many as numbers: a missing one is damage.
  template <class Row>
  Result<std::vector<Row>> rows(char prefix, std::span<const std::uint64_t> numbers,
                                std::string_view what) const;

  struct Release {
    rocksdb::DB* db;
    void operator()(const rocksdb::Snapshot* snapshot) const { db->ReleaseSnapshot(snapshot); }
  };
  const ChunkStore* store_;
  std::unique_ptr<const rocksdb::Snapshot, Release> snapshot_;
};

}  // namespace millrace
