#include "common/log/purge_database.h"

#include <rocksdb/options.h>

#include <vector>

namespace millrace {
namespace {

rocksdb::CompactRangeOptions rewriting() {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  // Else the lowest files stay as they are where nothing is merged into them.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  return options;
}

rocksdb::Status flush(rocksdb::DB& db, std::span<rocksdb::ColumnFamilyHandle* const> families) {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;  // one more file of a memtable that is not full
  return db.Flush(options,
                  std::vector<rocksdb::ColumnFamilyHandle*>{families.begin(), families.end()});
}

// What is replaced goes in the background; this waits for it.
rocksdb::Status remove_replaced_files(rocksdb::DB& db) {
  rocksdb::Status status = db.DisableFileDeletions();
  constexpr bool kAlsoForOthers = false;
  if (status.ok()) status = db.EnableFileDeletions(kAlsoForOthers);
  return status;
}

}  // namespace

rocksdb::Status purge_ranges(rocksdb::DB& db,
                             std::span<rocksdb::ColumnFamilyHandle* const> families,
                             rocksdb::ColumnFamilyHandle* family,
                             std::span<const KeyRange> ranges) {
  rocksdb::Status status = flush(db, families);
  for (const KeyRange& range : ranges) {
    if (!status.ok()) return status;
    const rocksdb::Slice first{range.first};
    const rocksdb::Slice last{range.last};
    status = db.CompactRange(rewriting(), family, &first, &last);
  }
  return status.ok() ? remove_replaced_files(db) : status;
}

rocksdb::Status purge_all(rocksdb::DB& db, std::span<rocksdb::ColumnFamilyHandle* const> families) {
  rocksdb::Status status = flush(db, families);
  for (rocksdb::ColumnFamilyHandle* family : families) {
    if (!status.ok()) return status;
    status = db.CompactRange(rewriting(), family, nullptr, nullptr);
  }
  return status.ok() ? remove_replaced_files(db) : status;
}

}  // namespace millrace
