#pragma once

#include <rocksdb/db.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log/table.h"

namespace millrace {

// The rows of a table and the positions they stand for, in RocksDB. Reads are thread-safe; one
// thread writes. What is here can be made again from the topic, so that nothing is synced and
// whatever is damaged is thrown away.
class TableStore {
 public:
  using Changes = std::map<std::string, std::optional<std::string>>;  // empty: remove

  static Result<std::unique_ptr<TableStore>> open(std::filesystem::path directory,
                                                  std::string topic);
  ~TableStore();
  TableStore(const TableStore&) = delete;
  TableStore& operator=(const TableStore&) = delete;

  Status clear();
  // Positions of the topic's partitions as they were stored last.
  const Offsets& positions() const { return positions_; }
  Status write(const Changes& changes, const Offsets& positions);

  Status purge();  // any thread

  Result<std::optional<std::string>> get(std::string_view key) const;
  Result<std::vector<Table::Row>> scan(std::string_view prefix, std::string_view after,
                                       std::size_t limit) const;

 private:
  TableStore(std::filesystem::path directory, std::string topic)
      : directory_(std::move(directory)), topic_(std::move(topic)) {}
  rocksdb::Status open_database();
  bool read_positions();
  void close();
  rocksdb::ColumnFamilyHandle* rows() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* meta() const { return families_[0]; }

  const std::filesystem::path directory_;
  const std::string topic_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  Offsets positions_;
};

}  // namespace millrace
