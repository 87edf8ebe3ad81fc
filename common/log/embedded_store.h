#pragma once

#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log/embedded_codec.h"

namespace millrace {

// What is still to be read in one poll.
class ReadBudget {
 public:
  ReadBudget(std::size_t records_max, std::size_t bytes_max)
      : records_(records_max), bytes_(bytes_max) {}
  // Whether a record of this size may be added: the first always may.
  bool admits(std::size_t bytes) const { return !used_ || (records_ > 0 && bytes <= bytes_); }
  void spend(std::size_t bytes);

 private:
  std::size_t records_;
  std::size_t bytes_;
  bool used_ = false;
};

// One RocksDB database of the embedded log. Reads are thread-safe; writes come from one thread.
class EmbeddedStore {
 public:
  static Result<std::unique_ptr<EmbeddedStore>> open(const std::filesystem::path& directory,
                                                     rocksdb::Env* env,
                                                     std::shared_ptr<rocksdb::Cache> cache);
  ~EmbeddedStore();
  EmbeddedStore(const EmbeddedStore&) = delete;
  EmbeddedStore& operator=(const EmbeddedStore&) = delete;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* records() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* keys() const { return families_[2]; }
  rocksdb::ColumnFamilyHandle* meta() const { return families_[0]; }
  std::string where() const { return directory_.string(); }

  // `fatal` after a failure, from then on: nobody knows what the disk holds, least of all after a
  // failed fsync; only reading the log anew tells.
  Status write(rocksdb::WriteBatch& batch, bool sync);
  // Bytes that the disk has left; the most there can be where nobody knows.
  std::uint64_t free_bytes() const;

  Result<std::optional<std::string>> get(rocksdb::ColumnFamilyHandle* family,
                                         std::string_view row) const;
  // Adds the records in [from, end) that the budget admits; returns where to read on. `topic`
  // names the partition's topic.
  Result<Offset> read(PartitionId id, std::string_view topic, Offset from, Offset end,
                      ReadBudget& budget, std::vector<Record>& out) const;
  Result<std::optional<Record>> read_one(PartitionId id, std::string_view topic,
                                         Offset offset) const;
  Result<Offset> first_offset(PartitionId id, Offset from, Offset end) const;  // `end`: none
  Result<std::optional<Record>> last_record(PartitionId id, std::string_view topic) const;

  // The failure as an Error that names the directory.
  Error error(std::string_view what, const rocksdb::Status& status) const;

 private:
  explicit EmbeddedStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<Record> decode(PartitionId id, std::string_view topic, Offset offset,
                        const rocksdb::Slice& stored) const;

  const std::filesystem::path directory_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::optional<std::string> failed_;  // what failed; the writer thread's
};

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// The failure of a database: `unavailable` where the disk may recover, `fatal` where the data is
// damaged, `rejected` where another process has the directory open.
Error database_error(std::string_view what, const std::filesystem::path& directory,
                     const rocksdb::Status& status);

// Makes the directory and those above it, in `env` (null: the file system).
Status make_directories(const std::filesystem::path& directory, rocksdb::Env* env);

}  // namespace millrace
