#include "workers/index/partition_index.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "common/clock.h"

namespace millrace {
namespace {

constexpr std::size_t kTopKMax = 1'000;  // of one search; what the gateway allows is less

const std::vector<double>& seconds_buckets() {
  static const std::vector<double> buckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                           0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};
  return buckets;
}

Passage passage_from_rows(ChunkRow&& row, const RevisionRow& revision, float score) {
  Passage passage;
  passage.document_id = revision.document_id;
  passage.revision = revision.revision;
  passage.chunk_id = std::move(row.chunk.chunk_id);
  passage.title = revision.title;
  passage.name = revision.name;
  passage.text = std::move(row.chunk.text);
  passage.score = static_cast<double>(score);
  passage.page = row.chunk.page;
  passage.start = row.chunk.start;
  passage.end = row.chunk.end;
  passage.headings = std::move(row.chunk.headings);
  passage.metadata = revision.metadata;
  return passage;
}

Result<std::vector<Passage>> read_passages(const StoreView& view, const std::vector<Hit>& hits) {
  std::vector<std::uint64_t> slots;
  for (const Hit& hit : hits) slots.push_back(hit.slot);
  Result<std::vector<ChunkRow>> rows = view.chunks(slots);
  if (!rows) return rows.error();
  std::unordered_map<std::uint64_t, RevisionRow> revisions;
  std::vector<Passage> passages;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const std::uint64_t number = (*rows)[i].revision_number;
    auto revision = revisions.find(number);
    if (revision == revisions.end()) {
      Result<RevisionRow> row = view.revision(number);
      if (!row) return row.error();
      revision = revisions.emplace(number, std::move(*row)).first;
    }
    passages.push_back(passage_from_rows(std::move((*rows)[i]), revision->second, hits[i].score));
  }
  return passages;
}

}  // namespace

StoredPartitionIndex::StoredPartitionIndex(IndexOptions options, MetricsRegistry& metrics)
    : options_{std::move(options)},
      files_{options_.directory / "vectors", options_.dimensions},
      vectors_{options_.dimensions, options_.block_rows},
      documents_gauge_{metrics.gauge("rag_active_documents", "Documents indexed", options_.labels)},
      chunks_gauge_{metrics.gauge("index_chunks", "Chunks that can be found", options_.labels)},
      dead_gauge_{metrics.gauge("index_deleted_slots", "Vectors of deleted chunks in memory",
                                options_.labels)},
      search_seconds_{metrics.histogram("index_search_seconds", "One search, texts included",
                                        options_.labels, seconds_buckets())},
      apply_seconds_{metrics.histogram("index_apply_seconds", "One embeddings record",
                                       options_.labels, seconds_buckets())},
      snapshot_seconds_{metrics.histogram("index_snapshot_seconds", "Writing snapshot files",
                                          options_.labels, seconds_buckets())} {}

Status StoredPartitionIndex::checkpoint(Offset position) {
  if (!changed_ && store_->position() == position) return {};
  if (!garbage_.empty()) {
    StoreBatch batch{*store_};
    if (Status written = write(batch); !written) return written;
  }
  if (Status written = store_->write_position(position); !written) return written;
  changed_ = false;
  return {};
}

Status StoredPartitionIndex::snapshot() {
  const Clock::Steady started = system_clock().now();
  bool wrote = false;
  for (std::size_t block = 0; block < vectors_.full_blocks(); ++block) {
    if (!vectors_.blocks()[block].file.empty()) continue;
    // A file must not name slots that a power cut takes back: they would be given again.
    if (!wrote) {
      if (Status synced = store_->sync(); !synced) return synced;
    }
    Result<std::string> name = files_.write(vectors_.blocks()[block], store_->index_id());
    if (!name) return name.error();
    vectors_.set_file(block, std::move(*name));
    wrote = true;
  }
  if (!wrote && !stale_files_) return {};
  if (Status removed = remove_stale_files(); !removed) return removed;
  snapshot_seconds_.observe(std::chrono::duration<double>(system_clock().now() - started).count());
  return {};
}

Status StoredPartitionIndex::remove_stale_files() {
  std::vector<std::string> names;
  for (const VectorBlock& block : vectors_.blocks()) {
    if (!block.file.empty()) names.push_back(block.file);
  }
  if (Status removed = files_.remove_others(names); !removed) return removed;
  stale_files_ = false;
  return {};
}

Result<std::vector<Passage>> StoredPartitionIndex::search(const IndexSearch& search) const {
  const Clock::Steady started = system_clock().now();
  if (search.vector.size() != static_cast<std::size_t>(options_.dimensions)) {
    return rejected("the question's vector has " + std::to_string(search.vector.size()) +
                    " dimensions; this index has " + std::to_string(options_.dimensions));
  }
  if (!std::all_of(search.vector.begin(), search.vector.end(),
                   [](float value) { return std::isfinite(value); })) {
    return rejected("the question's vector has a value that is not finite");
  }
  Scan scan;
  std::optional<StoreView> view;
  {
    const std::shared_lock lock{mutex_};
    scan =
        vectors_.scan(audiences_.visible(search.collection, search.sees_everything, search.groups));
    // Before the lock goes: the rows that the scan may name are in it.
    view.emplace(store_->view());
  }
  const Result<std::vector<Hit>> hits =
      nearest(scan, search.vector, std::min(search.top_k, kTopKMax));
  if (!hits) return hits.error();
  Result<std::vector<Passage>> passages = read_passages(*view, *hits);
  search_seconds_.observe(std::chrono::duration<double>(system_clock().now() - started).count());
  return passages;
}

IndexCounts StoredPartitionIndex::counts(std::string_view collection) const {
  const std::shared_lock lock{mutex_};
  if (collection.empty()) return total_;
  const auto found = counts_.find(collection);
  return found == counts_.end() ? IndexCounts{} : found->second;
}

void StoredPartitionIndex::count(std::string_view key, const DocumentRow& row, int sign) {
  if (row.current().removed) return;
  const std::string_view collection = key.substr(0, key.find('/'));
  auto counts = counts_.find(collection);
  if (counts == counts_.end()) counts = counts_.emplace(collection, IndexCounts{}).first;
  for (IndexCounts* sum : {&counts->second, &total_}) {
    sum->documents += sign;
    sum->chunks += sign * static_cast<std::int64_t>(row.chunks());
  }
  if (counts->second.documents == 0) counts_.erase(counts);
}

void StoredPartitionIndex::show_counts() {
  documents_gauge_.set(static_cast<double>(total_.documents));
  chunks_gauge_.set(static_cast<double>(total_.chunks));
  dead_gauge_.set(static_cast<double>(vectors_.dead()));
}

}  // namespace millrace
