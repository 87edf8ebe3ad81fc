#include "workers/index/vectors.h"

#include <faiss/impl/IDSelector.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <cassert>
#include <exception>
#include <iterator>

namespace millrace {
namespace {

bool better(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.slot < b.slot;
}

// FAISS's exhaustive search over one block. One query at a time stays on this thread: FAISS takes
// as many OpenMP threads as there are queries, and BLAS only from twenty queries on.
void search_block(const BlockScan& block, std::span<const float> query, std::size_t count,
                  std::vector<Hit>& hits) {
  const std::size_t k = std::min(count, block.matches);
  std::vector<float> scores(k);
  std::vector<std::int64_t> rows(k);
  const faiss::IDSelectorBitmap selector{block.size, block.bitmap.data()};
  const bool everything = block.matches == block.size;
  faiss::knn_inner_product(query.data(), block.rows->values.get(), query.size(), 1, block.size, k,
                           scores.data(), rows.data(), everything ? nullptr : &selector);
  for (std::size_t i = 0; i < k; ++i) {
    if (rows[i] < 0) continue;
    hits.push_back({block.rows->slots[static_cast<std::size_t>(rows[i])], scores[i]});
  }
}

// The first row with a slot of at least `slot`.
std::size_t row_of(const VectorBlock& block, std::uint64_t slot) {
  const std::uint64_t* begin = block.rows->slots.get();
  return static_cast<std::size_t>(std::lower_bound(begin, begin + block.size(), slot) - begin);
}

}  // namespace

Result<std::vector<Hit>> nearest(const Scan& scan, std::span<const float> query,
                                 std::size_t count) {
  std::vector<Hit> hits;
  if (count == 0) return hits;
  try {
    for (const BlockScan& block : scan) {
      search_block(block, query, count, hits);
      std::sort(hits.begin(), hits.end(), better);
      if (hits.size() > count) hits.resize(count);
    }
  } catch (const std::exception& error) {
    return fatal(std::string{"search vectors: "} + error.what());
  }
  return hits;
}

VectorBlocks::VectorBlocks(std::int32_t dimensions, std::size_t block_rows)
    : dimensions_{static_cast<std::size_t>(dimensions)}, block_rows_{block_rows} {
  assert(dimensions > 0 && block_rows > 0);
}

VectorBlock VectorBlocks::make_block(std::size_t capacity) const {
  VectorBlock block;
  block.capacity = capacity;
  // Not initialised: pages that no row has reached cost no memory.
  block.rows = std::make_shared<BlockRows>();
  block.rows->values = std::make_unique_for_overwrite<float[]>(capacity * dimensions_);
  block.rows->slots = std::make_unique_for_overwrite<std::uint64_t[]>(capacity);
  return block;
}

void VectorBlocks::append(std::uint64_t first_slot, std::span<const float> values) {
  assert(values.size() % dimensions_ == 0);
  for (std::size_t row = 0; row < values.size() / dimensions_; ++row) {
    if (blocks_.empty() || sealed_ || blocks_.back().size() == blocks_.back().capacity) {
      blocks_.push_back(make_block(block_rows_));
      sealed_ = false;
    }
    VectorBlock& block = blocks_.back();
    const std::size_t at = block.size();
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(row * dimensions_), dimensions_,
                block.rows->values.get() + at * dimensions_);
    block.rows->slots[at] = first_slot + row;
    block.audiences.push_back(kStagedRow);
  }
}

void VectorBlocks::append_block(VectorBlock block) {
  assert(blocks_.empty() || blocks_.back().last_slot() < block.first_slot());
  std::fill(block.audiences.begin(), block.audiences.end(), kDeadRow);
  block.dead = block.size();
  blocks_.push_back(std::move(block));
  sealed_ = true;
}

void VectorBlocks::set_audience(SlotRange range, Audience audience) {
  auto block = std::partition_point(
      blocks_.begin(), blocks_.end(),
      [&range](const VectorBlock& candidate) { return candidate.last_slot() < range.first; });
  const std::uint64_t end = range.first + range.count;
  for (; block != blocks_.end() && block->first_slot() < end; ++block) {
    for (std::size_t row = row_of(*block, range.first);
         row < block->size() && block->rows->slots[row] < end; ++row) {
      block->dead -= block->audiences[row] == kDeadRow ? 1U : 0U;
      block->dead += audience == kDeadRow ? 1U : 0U;
      block->audiences[row] = audience;
    }
  }
}

Scan VectorBlocks::scan(std::span<const std::uint8_t> visible) const {
  Scan scan;
  if (visible.empty()) return scan;
  for (const VectorBlock& block : blocks_) {
    if (block.dead == block.size()) continue;
    BlockScan part{block.rows, block.size(), 0, std::vector<std::uint8_t>(block.size() / 8 + 1)};
    for (std::size_t row = 0; row < block.size(); ++row) {
      const std::uint8_t bit = visible[block.audiences[row]];
      part.matches += bit;
      part.bitmap[row / 8] = static_cast<std::uint8_t>(part.bitmap[row / 8] | bit << (row % 8));
    }
    if (part.matches > 0) scan.push_back(std::move(part));
  }
  return scan;
}

void VectorBlocks::copy_live(const VectorBlock& from, VectorBlock& to) const {
  for (std::size_t row = 0; row < from.size(); ++row) {
    if (from.audiences[row] == kDeadRow) continue;
    std::copy_n(from.rows->values.get() + row * dimensions_, dimensions_,
                to.rows->values.get() + to.size() * dimensions_);
    to.rows->slots[to.size()] = from.rows->slots[row];
    to.audiences.push_back(from.audiences[row]);
  }
}

VectorBlocks::Compaction VectorBlocks::compaction() const {
  const auto live = [this](std::size_t at) { return blocks_[at].size() - blocks_[at].dead; };
  for (std::size_t at = 0; at < full_blocks(); ++at) {
    if (blocks_[at].dead * 2 <= blocks_[at].size()) continue;  // kept while half of it is alive
    Compaction compaction{at, 1, {}};
    std::size_t rows = live(at);
    // Together with a neighbour where they fit into one, so that blocks do not become many.
    if (at + 1 < full_blocks() && rows + live(at + 1) <= block_rows_) {
      compaction.count = 2;
      rows += live(at + 1);
    } else if (at > 0 && rows + live(at - 1) <= block_rows_) {
      compaction.at = at - 1;
      compaction.count = 2;
      rows += live(at - 1);
    }
    if (rows == 0) return compaction;
    compaction.block = make_block(rows);
    for (std::size_t i = 0; i < compaction.count; ++i) {
      copy_live(blocks_[compaction.at + i], compaction.block);
    }
    return compaction;
  }
  return {};
}

std::vector<VectorBlock> VectorBlocks::replace(Compaction compaction) {
  const auto begin = blocks_.begin() + static_cast<std::ptrdiff_t>(compaction.at);
  const auto end = begin + static_cast<std::ptrdiff_t>(compaction.count);
  std::vector<VectorBlock> replaced{std::make_move_iterator(begin), std::make_move_iterator(end)};
  const auto next = blocks_.erase(begin, end);
  if (compaction.block.rows != nullptr) blocks_.insert(next, std::move(compaction.block));
  return replaced;
}

std::size_t VectorBlocks::dead() const {
  std::size_t sum = 0;
  for (const VectorBlock& block : blocks_) sum += block.dead;
  return sum;
}

}  // namespace millrace
