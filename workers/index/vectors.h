#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "workers/index/audiences.h"
#include "workers/index/row_codec.h"

namespace millrace {

// What is written once per row and then only read, so that a search may read it without a lock
// while rows behind it are added: the memory never moves.
struct BlockRows {
  std::unique_ptr<float[]> values;         // rows x dimensions
  std::unique_ptr<std::uint64_t[]> slots;  // ascending
};

// Up to a fixed number of vectors, in the order of their slots.
struct VectorBlock {
  std::shared_ptr<BlockRows> rows;
  std::size_t capacity = 0;
  std::vector<Audience> audiences;  // one per row that is there
  std::size_t dead = 0;
  std::string file;  // the snapshot that holds exactly these rows; empty: none

  std::size_t size() const { return audiences.size(); }
  std::uint64_t first_slot() const { return rows->slots[0]; }
  std::uint64_t last_slot() const { return rows->slots[size() - 1]; }
};

// The rows of a block that a search may see, fixed at one moment.
struct BlockScan {
  std::shared_ptr<const BlockRows> rows;
  std::size_t size = 0;
  std::size_t matches = 0;
  std::vector<std::uint8_t> bitmap;  // a bit per row
};
using Scan = std::vector<BlockScan>;

struct Hit {
  std::uint64_t slot = 0;
  float score = 0;
};

// The `count` rows of the scan with the greatest inner product, best first; equal scores by slot.
Result<std::vector<Hit>> nearest(const Scan& scan, std::span<const float> query, std::size_t count);

// The vectors of a partition, in blocks in the order of their slots. Only the last block grows.
// Not thread-safe: the owner calls non-const functions, but compaction(), under its unique lock and
// the others under its shared one, except nearest(), which needs none.
class VectorBlocks {
 public:
  VectorBlocks(std::int32_t dimensions, std::size_t block_rows);

  // Rows that nobody sees yet. Slots must be greater than all before.
  void append(std::uint64_t first_slot, std::span<const float> values);
  // A block as a snapshot file had it, after all others; its rows are dead until set_audience().
  void append_block(VectorBlock block);
  void set_audience(SlotRange range, Audience audience);
  // `visible`: as Audiences gives it.
  Scan scan(std::span<const std::uint8_t> visible) const;

  // One or two neighbouring blocks, without their dead rows, made aside: the lock is not needed for
  // that, as only the thread that changes blocks calls it. `count` 0: nothing worth it.
  struct Compaction {
    std::size_t at = 0;
    std::size_t count = 0;
    VectorBlock block;  // no rows: nothing is left
  };
  Compaction compaction() const;
  // Gives back what it replaced, to be freed without the lock.
  std::vector<VectorBlock> replace(Compaction compaction);

  std::size_t dead() const;
  std::size_t full_blocks() const { return blocks_.empty() ? 0 : blocks_.size() - 1; }
  const std::vector<VectorBlock>& blocks() const { return blocks_; }
  // Needs no lock: searches do not look at it.
  void set_file(std::size_t block, std::string file) { blocks_[block].file = std::move(file); }
  // Ends the last block: the next row begins another.
  void seal() { sealed_ = true; }

 private:
  VectorBlock make_block(std::size_t capacity) const;
  void copy_live(const VectorBlock& from, VectorBlock& to) const;

  std::size_t dimensions_;
  std::size_t block_rows_;
  std::vector<VectorBlock> blocks_;
  bool sealed_ = false;
};

}  // namespace millrace
