#include "workers/index/partition_index.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "workers/index/index_search.h"

namespace millrace {
namespace {

// A lock that is held so long is held while this many rows get their words: under a millisecond.
constexpr std::size_t kRowsPerLock = 8;

}  // namespace

StoredPartitionIndex::StoredPartitionIndex(IndexOptions options, MetricsRegistry& metrics)
    : options_{std::move(options)}, probe_{metrics, options_.labels} {}

Status StoredPartitionIndex::checkpoint(Offset position) {
  if (!changed_ && store_->position() == position) return {};
  if (!garbage_.empty()) {
    StoreBatch batch{*store_};
    if (Status written = write(batch); !written) return written;
  }
  if (Status written = store_->write_position(position); !written) return written;
  position_ = position;
  changed_ = false;
  merger_.wake();  // for what died
  return {};
}

std::vector<Result<IndexHits>> StoredPartitionIndex::search(
    std::span<const IndexSearch> searches) const {
  const Clock::Steady started = system_clock().now();
  const SearchedIndex index{lock_,        segments_, audiences_,
                            collections_, *store_,   static_cast<std::size_t>(options_.dimensions)};
  std::vector<Result<IndexHits>> results = IndexSearchBatch{index, searches}.run();
  const std::chrono::duration<double> seconds = system_clock().now() - started;
  for (const Result<IndexHits>& result : results) {
    probe_.search_seconds.observe(seconds.count());
    if (!result) note_damage(result.error());
  }
  return results;
}

IndexCounts StoredPartitionIndex::counts() const {
  const std::uint64_t disk_bytes = tree_bytes(options_.directory);
  IndexCounts counts;
  {
    const auto lock = lock_.read();
    counts = counts_;
    counts.segments = static_cast<std::int64_t>(segments_.size());
    counts.memory_bytes = static_cast<std::int64_t>(segments_.memory_bytes());
  }
  counts.disk_bytes = static_cast<std::int64_t>(disk_bytes);
  counts.merges = static_cast<std::int64_t>(merges_.load());
  probe_.bytes.set(static_cast<double>(disk_bytes));
  return counts;
}

void StoredPartitionIndex::count(std::string_view key, const DocumentRow& row, int sign) {
  if (row.current().removed) return;
  const std::string_view collection = key.substr(0, key.find('/'));
  auto counts = counts_.collections.find(collection);
  if (counts == counts_.collections.end()) {
    counts = counts_.collections.emplace(collection, IndexedCollection{}).first;
  }
  for (IndexedCollection* sum : {&counts->second, &counts_.all}) {
    sum->documents += sign;
    sum->chunks += sign * static_cast<std::int64_t>(row.chunks());
  }
  if (counts->second.documents == 0) counts_.collections.erase(counts);
}

void StoredPartitionIndex::append(const NewRows& rows) {
  const auto dimensions = static_cast<std::size_t>(options_.dimensions);
  for (std::size_t done = 0; done < rows.slots.size();) {
    GrowingSegment* segment = nullptr;
    std::size_t end = done;
    bool froze = false;
    {
      const auto lock = lock_.write();
      segment = segments_.growing();
      if (segment == nullptr) {
        segments_.begin(std::make_shared<GrowingSegment>(dimensions, options_.block_rows));
        segment = segments_.growing();
        froze = true;
      }
      end += std::min(segment->room(), rows.slots.size() - done);
      segment->add_metadata(rows.metadata, end - done);
    }
    if (froze) sealer_.wake();
    while (done < end) {
      const auto lock = lock_.write();
      for (std::size_t i = 0; i < kRowsPerLock && done < end; ++i, ++done) {
        segment->add_row(rows.slots[done], rows.vectors.subspan(done * dimensions, dimensions),
                         rows.collection, rows.terms[done].counts());
        segments_.count_row();
      }
    }
  }
}

void StoredPartitionIndex::show_counts() {
  const auto lock = lock_.read();
  probe_.documents.set(static_cast<double>(counts_.all.documents));
  probe_.chunks.set(static_cast<double>(counts_.all.chunks));
  probe_.dead.set(static_cast<double>(segments_.dead()));
  probe_.segments.set(static_cast<double>(segments_.size()));
  probe_.frozen.set(static_cast<double>(segments_.frozen()));
  probe_.memory_bytes.set(static_cast<double>(segments_.memory_bytes()));
}

// A restart that finds the same damage again and again helps nobody: the next one begins anew.
void StoredPartitionIndex::note_damage(const Error& error) const {
  if (error.kind != Error::Kind::fatal) return;
  const Status noted = write_file(options_.directory / kDamageFile, error.message);
  log_event(LogLevel::error, "index_damaged",
            {{"directory", options_.directory.string()},
             {"error", error.message},
             {"noted", noted.has_value()}});
}

}  // namespace millrace
