#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "workers/index/vectors.h"

namespace millrace {

// Snapshots of full blocks, one file each, so that opening reads few files, straight into the
// memory that is searched, instead of one row per vector. A file says nothing that RocksDB does
// not: it is used only when it is whole and of this index. Grammar, numbers as the machine has them
// (files of another machine do not have this version and are refused):
//   file = "MLRV" version:u32 index-id dimensions:u32 rows:u32
//          slot:u64*rows value:f32*rows*dimensions checksum:u64
// index-id is 26 bytes; the checksum is FNV-1a over 64-bit words, first of all before the values
// and then of the values, the last word of each filled with zeros.
class SnapshotFiles {
 public:
  SnapshotFiles(std::filesystem::path directory, std::int32_t dimensions);

  // Writes the block to a temporary file, fsyncs, renames. Gives the file's name.
  Result<std::string> write(const VectorBlock& block, std::string_view index_id) const;
  // Removes every file that is not named in `keep`.
  Status remove_others(std::span<const std::string> keep) const;

  // By first slot.
  Result<std::vector<std::string>> list() const;
  // `rejected`, saying why, when the file is damaged, of another index, or has slots from
  // `slots_end` on, which this index has not given yet.
  Result<VectorBlock> read(const std::string& name, std::string_view index_id,
                           std::uint64_t slots_end) const;

 private:
  std::filesystem::path directory_;
  std::size_t dimensions_;
};

}  // namespace millrace
