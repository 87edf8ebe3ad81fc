#pragma once

#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "workers/index/bitmap.h"
#include "workers/index/columns.h"
#include "workers/index/row_set.h"

// The bytes of columns: a sorted dictionary of keys (filter_value.h), each with its set of rows.
//   file   = header keys sets blocks checksum:u64       numbers are little-endian
//   header = "MRCO" version:u32 rows:u32 zero:u32 terms:u64 keys:u64 sets:u64   the last two: bytes
//   keys   = (shared:varint more:varint set:varint bytes)*terms    shared: bytes of the key before,
//            0 for every kBlockTerms-th; more: bytes that follow; set: bytes of the set
//   sets   = set*terms
//   set    = runs:varint (gap:varint rows:varint)*runs       no run touches the one before
//          | 0:varint bit*rows, bytes filled up with 0       where that is shorter
//   blocks = (begin in keys:u64 begin in sets:u64) for every kBlockTerms-th term
//   checksum = of everything before; see checksum.h
// The key "" has the rows of which not all is known (MetadataKeys). Equal contents, equal bytes.
namespace millrace {

inline constexpr std::size_t kBlockTerms = 16;

// Bytes of columns, checked to the last one.
struct ColumnsView {
  Row rows = 0;
  std::uint64_t terms = 0;
  std::string_view keys;
  std::string_view sets;
  std::string_view blocks;

  static Result<ColumnsView> open(std::string_view bytes);

  std::size_t block_count() const { return blocks.size() / (2 * sizeof(std::uint64_t)); }
  std::uint64_t keys_begin(std::size_t block) const { return block_number(2 * block); }
  std::uint64_t sets_begin(std::size_t block) const { return block_number(2 * block + 1); }
  // The sets of the keys from `low` on, before `high`.
  std::string_view find(std::string_view low, std::string_view high) const;

 private:
  std::size_t block_before(std::string_view key) const;
  std::string_view first_key(std::size_t block) const;
  std::uint64_t block_number(std::size_t index) const {
    std::uint64_t value = 0;
    std::memcpy(&value, blocks.data() + index * sizeof value, sizeof value);
    return value;
  }
};

// The terms in their order, from the first of a block on.
class TermCursor {
 public:
  explicit TermCursor(const ColumnsView& view, std::size_t block = 0)
      : view_{&view},
        keys_{view.keys.substr(block < view.block_count() ? view.keys_begin(block) : 0)},
        set_end_{block < view.block_count() ? view.sets_begin(block) : 0},
        term_{block * kBlockTerms} {}

  // On to the first term from `key` on; false as next().
  bool seek(std::string_view key);
  // The next term; false behind the last one, or where the bytes are damaged: failed() says which.
  bool next();
  bool failed() const { return failed_; }
  const std::string& key() const { return key_; }
  std::uint64_t set_begin() const { return set_begin_; }
  std::uint64_t set_end() const { return set_end_; }
  std::string_view set() const { return view_->sets.substr(set_begin_, set_end_ - set_begin_); }
  std::uint64_t keys_left() const { return keys_.rest().size(); }

 private:
  bool read();

  const ColumnsView* view_;
  ByteReader keys_;
  std::string key_;
  std::uint64_t set_begin_ = 0;
  std::uint64_t set_end_ = 0;
  std::uint64_t term_ = 0;  // the number of the next one
  bool failed_ = false;
};

// Makes the bytes. Keys come in their order, each once, with runs that do not touch.
class ColumnsWriter {
 public:
  explicit ColumnsWriter(Row rows) : rows_{rows} {}
  void add(std::string_view key, std::span<const RowRun> runs);
  std::string finish();

 private:
  Row rows_;
  std::uint64_t terms_ = 0;
  std::string last_key_;
  std::string keys_;
  std::string sets_;
  std::string blocks_;
};

struct Columns::Impl {
  ColumnsView view;
};

}  // namespace millrace
