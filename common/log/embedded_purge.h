#pragma once

#include <rocksdb/write_batch.h>

#include <string>
#include <utility>
#include <vector>

#include "common/log/embedded_store.h"

namespace millrace {

// RocksDB removes by adding that something was removed: the bytes stay in older files until a
// compaction happens to meet both, which may be never. So whatever leaves `records` is noted in
// `meta`, in the same batch, and purged from the files when somebody asks for it.

// Removes a record, to be purged.
void remove_record(const EmbeddedStore& store, PartitionId id, Offset offset,
                   rocksdb::WriteBatch& batch);

// One round of purging a lane. Blocks; any thread but the writer's, which has to forget() what was
// purged.
class EmbeddedPurge {
 public:
  static constexpr std::size_t kRowsMax = 100'000;  // of one round

  explicit EmbeddedPurge(EmbeddedStore& store) : store_{store} {}

  // Writes the files anew that hold what was removed, up to a bound; what that was, as rows of
  // `meta`. Empty: nothing is left.
  Result<std::vector<std::pair<std::string, std::string>>> run();

 private:
  struct Removed {
    PartitionId id;
    Offset from = 0;
    Offset to = 0;
  };
  Result<std::vector<Removed>> find(std::vector<std::pair<std::string, std::string>>& rows) const;
  bool are_near(const Removed& a, const Removed& b) const;

  EmbeddedStore& store_;
};

}  // namespace millrace
