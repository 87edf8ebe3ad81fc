#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "workers/index/partition_index.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRowsPerRead = 1'024;  // of vectors from RocksDB: 1.5 MB at 384 dimensions

std::uint64_t end_of(const SlotRange& range) { return range.first + range.count; }

}  // namespace

Status StoredPartitionIndex::open() {
  Result<std::unique_ptr<ChunkStore>> store =
      ChunkStore::open(options_.directory / "store", options_.dimensions);
  if (!store) return store.error();
  store_ = std::move(*store);
  std::vector<Needed> needed;
  if (Status loaded = load_rows(needed); !loaded) return loaded;
  if (Status loaded = load_vectors(std::move(needed)); !loaded) return loaded;
  compact();
  show_counts();
  return {};
}

Status StoredPartitionIndex::load_rows(std::vector<Needed>& needed) {
  Status read = store_->each_document([&](std::string_view key, const DocumentRow& row) {
    count(key, row, 1);
    if (row.chunks() == 0) return;
    const Audience audience =
        audiences_.acquire(key.substr(0, key.find('/')), row.allow, row.chunks());
    for (const SlotRange& range : row.ranges) needed.push_back({range, audience});
  });
  if (!read) return read;
  read = store_->each_staged([&](std::string_view key, const StagedRow& row) -> Status {
    const std::size_t id_end = key.find('\0');
    const std::size_t revision_end = key.find('\0', id_end + 1);
    if (id_end == std::string_view::npos || revision_end == std::string_view::npos) {
      return fatal("a staged batch has a damaged key; remove " + options_.directory.string() +
                   ", it is built again from the log");
    }
    const auto batch = big_endian_from(key.substr(revision_end + 1));
    staging_.add(key.substr(0, id_end), key.substr(id_end + 1, revision_end - id_end - 1),
                 static_cast<std::int32_t>(batch.value_or(0)), row);
    if (row.range.count > 0) needed.push_back({row.range, kStagedRow});
    return {};
  });
  if (!read) return read;
  std::sort(needed.begin(), needed.end(),
            [](const Needed& a, const Needed& b) { return a.range.first < b.range.first; });
  Result<std::vector<ChunkStore::Garbage>> garbage = store_->garbage();
  if (!garbage) return garbage.error();
  garbage_ = std::move(*garbage);
  return {};
}

namespace {

// Slots of `block` that lie in the ranges; both ascend.
template <class Needed>
std::uint64_t slots_within(const VectorBlock& block, std::span<const Needed> needed) {
  std::uint64_t found = 0;
  std::size_t at = 0;
  for (std::size_t row = 0; row < block.size() && at < needed.size();) {
    const std::uint64_t slot = block.rows->slots[row];
    if (slot >= end_of(needed[at].range)) {
      ++at;
      continue;
    }
    found += slot >= needed[at].range.first ? 1U : 0U;
    ++row;
  }
  return found;
}

// The first range from `next` on that lies at or behind `border`. A batch may have filled one block
// and gone on in the next one: a range across the border is cut in two.
template <class Needed>
std::size_t cut_at(std::vector<Needed>& needed, std::size_t next, std::uint64_t border) {
  auto range =
      std::partition_point(needed.begin() + static_cast<std::ptrdiff_t>(next), needed.end(),
                           [border](const Needed& n) { return end_of(n.range) <= border; });
  if (range != needed.end() && range->range.first < border) {
    Needed rest = *range;
    rest.range = {border, end_of(range->range) - border};
    range->range.count = border - range->range.first;
    range = needed.insert(range + 1, rest);
  }
  return static_cast<std::size_t>(range - needed.begin());
}

}  // namespace

// Places the block of one file behind what is there, with everything needed before it. False when
// the file is of no use.
bool StoredPartitionIndex::load_block(const std::string& name, std::vector<Needed>& needed,
                                      std::size_t& next, Status& status) {
  Result<VectorBlock> block = files_.read(name, store_->index_id(), store_->numbers().slot);
  if (!block) {
    log_event(LogLevel::warning, "index_snapshot_ignored",
              {{"file", name}, {"reason", block.error().message}});
    return false;
  }
  const std::uint64_t first = block->first_slot();
  const std::uint64_t end = block->last_slot() + 1;
  if (!vectors_.blocks().empty() && vectors_.blocks().back().last_slot() >= first) return false;
  const std::size_t begin = cut_at(needed, next, first);
  cut_at(needed, begin, end);
  std::size_t behind = begin;
  std::uint64_t wanted = 0;
  for (; behind < needed.size() && needed[behind].range.first < end; ++behind) {
    wanted += needed[behind].range.count;
  }
  const std::span<const Needed> all{needed};
  const std::span<const Needed> inside = all.subspan(begin, behind - begin);
  if (wanted == 0 || slots_within(*block, inside) != wanted) return false;
  status = load_from_store(all.subspan(next, begin - next));
  if (!status) return true;
  vectors_.append_block(std::move(*block));
  for (const Needed& n : inside) vectors_.set_audience(n.range, n.audience);
  next = behind;
  return true;
}

Status StoredPartitionIndex::load_vectors(std::vector<Needed> needed) {
  std::size_t next = 0;
  const Result<std::vector<std::string>> names = files_.list();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    Status status;
    if (!load_block(name, needed, next, status)) stale_files_ = true;
    if (!status) return status;
  }
  // Before any slot is given: what a refused file names might be given again.
  if (stale_files_) {
    if (Status removed = remove_stale_files(); !removed) return removed;
  }
  return load_from_store(std::span<const Needed>{needed}.subspan(next));
}

Status StoredPartitionIndex::load_from_store(std::span<const Needed> needed) {
  std::vector<float> values;
  for (std::size_t begin = 0; begin < needed.size();) {
    // As many neighbouring ranges as one read takes; a long range is read piece by piece.
    SlotRange run = needed[begin].range;
    std::size_t end = begin + 1;
    while (end < needed.size() && needed[end].range.first == end_of(run) &&
           run.count + needed[end].range.count <= kRowsPerRead) {
      run.count += needed[end++].range.count;
    }
    for (std::uint64_t done = 0; done < run.count; done += kRowsPerRead) {
      const SlotRange piece{run.first + done, std::min(kRowsPerRead, run.count - done)};
      if (Status read = store_->vectors(piece, values); !read) return read;
      vectors_.append(piece.first, values);
    }
    for (; begin < end; ++begin) {
      vectors_.set_audience(needed[begin].range, needed[begin].audience);
    }
  }
  return {};
}

Result<std::unique_ptr<PartitionIndex>> open_partition_index(const IndexOptions& options,
                                                             MetricsRegistry& metrics) {
  if (options.dimensions < 1 || options.block_rows < 1) {
    return rejected("an index needs at least one dimension and one row per block");
  }
  auto index = std::make_unique<StoredPartitionIndex>(options, metrics);
  if (Status opened = index->open(); !opened) return opened.error();
  return std::unique_ptr<PartitionIndex>{std::move(index)};
}

}  // namespace millrace
