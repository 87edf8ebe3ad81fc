#pragma once

#include <rocksdb/db.h>

#include <span>
#include <string>

namespace millrace {

struct KeyRange {
  std::string first;
  std::string last;
};

// Makes what was removed from these ranges of `family` leave the disk: writes the files anew that
// overlap them, and the write-ahead log's files are gone with what is in memory of `families`,
// which are all of the database. A snapshot that is older than the removal keeps what it sees: the
// caller has none. Blocks; other threads may read and write meanwhile.
rocksdb::Status purge_ranges(rocksdb::DB& db,
                             std::span<rocksdb::ColumnFamilyHandle* const> families,
                             rocksdb::ColumnFamilyHandle* family, std::span<const KeyRange> ranges);

// The same of all of `families`.
rocksdb::Status purge_all(rocksdb::DB& db, std::span<rocksdb::ColumnFamilyHandle* const> families);

}  // namespace millrace
