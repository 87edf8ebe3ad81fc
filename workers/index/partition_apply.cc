#include <algorithm>
#include <numeric>
#include <utility>

#include "common/clock.h"
#include "schemas/float16.h"
#include "workers/index/partition_index.h"

namespace millrace {
namespace {

// At least the records that a runner processes before it commits (poll_records_max): as many
// revisions of one document may have to give their changes again.
constexpr std::size_t kSwapsKept = 256;
constexpr std::int32_t kBatchesMax = 65'536;  // four million chunks

std::vector<std::string> keys_of(std::string_view document_key,
                                 const std::vector<RevisionRecords>& superseded) {
  std::vector<std::string> keys;
  for (const RevisionRecords& records : superseded) {
    for (std::int32_t batch = 0; batch < records.batches; ++batch) {
      keys.push_back(embedding_key(document_key, records.revision, batch));
    }
  }
  return keys;
}

IndexChange change_of(std::string_view document_key, const Swap& swap) {
  return {swap.removed ? IndexChange::Kind::removed : IndexChange::Kind::swapped,
          keys_of(document_key, swap.superseded)};
}

// What a record gave, of a revision that has become current before, or has been dropped
// incomplete: its batches are superfluous. Nothing for any other.
std::optional<IndexChange> seen_before(std::string_view key, const DocumentRow& row,
                                       const ChunkEvent& event) {
  const std::string& revision = event.document.revision;
  for (const Swap& swap : row.swaps) {
    if (swap.records.revision != revision) continue;
    if (swap.completed_by == event.batch) return change_of(key, swap);
    return IndexChange{IndexChange::Kind::staged, {}};
  }
  for (const Swap& swap : row.swaps) {
    for (const RevisionRecords& records : swap.superseded) {
      if (records.revision != revision) continue;
      return IndexChange{IndexChange::Kind::ignored, {embedding_key(key, revision, event.batch)}};
    }
  }
  return std::nullopt;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Status check(const EmbeddingEvent& event, std::int32_t dimensions) {
  const ChunkEvent& batch = event.chunk_batch;
  const DocumentRef& document = batch.document;
  if (document.collection.empty() || has_nul(document.collection) ||
      document.collection.find('/') != std::string::npos) {
    return rejected("the collection's name is empty or has a slash or NUL");
  }
  if (document.document_id.empty() || has_nul(document.document_id) || document.revision.empty() ||
      has_nul(document.revision)) {
    return rejected("the document's id or revision is empty or has a NUL");
  }
  if (batch.batches < 1 || batch.batches > kBatchesMax || batch.batch < 0 ||
      batch.batch >= batch.batches) {
    return rejected("batch " + std::to_string(batch.batch) + " of " +
                    std::to_string(batch.batches) + ": a revision has 1 to " +
                    std::to_string(kBatchesMax) + " batches, counted from 0");
  }
  if (batch.removed && !batch.chunks.empty()) return rejected("a removal has no chunks");
  if (!batch.chunks.empty() && event.dimensions != dimensions) {
    return rejected("the vectors have " + std::to_string(event.dimensions) +
                    " dimensions; this index has " + std::to_string(dimensions));
  }
  if (event.vectors.size() != batch.chunks.size() * static_cast<std::size_t>(dimensions)) {
    return rejected("there are " + std::to_string(event.vectors.size()) + " values for " +
                    std::to_string(batch.chunks.size()) + " vectors");
  }
  return {};
}

RevisionRow revision_row(const ChunkEvent& event) {
  const DocumentRef& document = event.document;
  return {document.document_id, document.revision, document.title,
          document.name,        document.metadata, language_of(event.chunks)};
}

// The document once this record, which completes its revision, is in.
DocumentRow document_with(const ChunkEvent& event, std::uint64_t number, SlotRange range,
                          const StagedRevision* staged, const std::optional<DocumentRow>& before,
                          const std::vector<StagedRevision>& dropped) {
  DocumentRow row;
  Swap& swap = row.swaps.emplace_back();
  swap.records = {event.document.revision, event.batches};
  swap.number = number;
  swap.completed_by = event.batch;
  swap.removed = event.removed;
  if (before) swap.superseded.push_back(before->current().records);
  for (const StagedRevision& other : dropped) {
    swap.superseded.push_back({other.revision, other.batches});
  }
  std::map<std::int32_t, SlotRange> batches;
  if (staged != nullptr) batches = staged->arrived;
  batches[event.batch] = range;
  for (const auto& [batch, slots] : batches) {
    if (slots.count > 0) row.ranges.push_back(slots);
  }
  row.allow = event.document.allow;
  if (before) {
    const std::size_t kept = std::min(before->swaps.size(), kSwapsKept - 1);
    row.swaps.insert(row.swaps.end(), before->swaps.begin(),
                     before->swaps.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  return row;
}

}  // namespace

Result<StoredPartitionIndex::Arrival> StoredPartitionIndex::arrive(
    const EmbeddingEvent& event) const {
  const ChunkEvent& batch = event.chunk_batch;
  if (Status checked = check(event, options_.dimensions); !checked) return checked.error();
  Arrival arrival{batch,
                  document_key(batch.document),
                  encode_float16(event.vectors),
                  {},
                  {},
                  nullptr,
                  0,
                  {},
                  {},
                  {},
                  {}};
  if (!decode_float16(arrival.encoded, arrival.vectors)) {
    return rejected("a vector has a value that is not finite in float16");
  }
  Result<std::optional<DocumentRow>> document = store_->document(arrival.key);
  if (!document) return document.error();
  arrival.document = std::move(*document);
  arrival.staged = staging_.find(arrival.key, batch.document.revision);
  return arrival;
}

// What the words of the batch are, and whose. A revision is as its first batch said.
Status StoredPartitionIndex::analyze(Arrival& arrival) const {
  const ChunkEvent& event = arrival.event;
  if (event.removed) return {};
  if (arrival.staged == nullptr) {
    arrival.revision = revision_row(event);
  } else {
    Result<RevisionRow> revision = store_->view().revision(arrival.staged->number);
    if (!revision) return revision.error();
    arrival.revision = std::move(*revision);
  }
  for (const Chunk& chunk : event.chunks) {
    arrival.terms.emplace_back(chunk, arrival.revision.title, arrival.revision.language);
  }
  return {};
}

Result<IndexChange> StoredPartitionIndex::apply(const EmbeddingEvent& event) {
  const Clock::Steady started = system_clock().now();
  if (Status room = wait_for_room(); !room) return room.error();
  Result<Arrival> arrival = arrive(event);
  if (!arrival) return arrival.error();
  const ChunkEvent& batch = event.chunk_batch;
  if (arrival->document) {
    if (std::optional<IndexChange> change = seen_before(arrival->key, *arrival->document, batch)) {
      return *std::move(change);
    }
  }
  if (arrival->staged != nullptr) {
    if (batch.removed) return rejected("a removal has the revision of batches that were staged");
    if (arrival->staged->batches != batch.batches) {
      return rejected("batch " + std::to_string(batch.batch) + " says that there are " +
                      std::to_string(batch.batches) + " batches, earlier ones said " +
                      std::to_string(arrival->staged->batches));
    }
    if (arrival->staged->arrived.contains(batch.batch)) return IndexChange{};
  }
  Result<IndexChange> change = apply_new(*arrival);
  if (!change) note_damage(change.error());
  probe_.apply_seconds.observe(
      std::chrono::duration<double>(system_clock().now() - started).count());
  return change;
}

Result<IndexChange> StoredPartitionIndex::apply_new(Arrival& arrival) {
  const ChunkEvent& event = arrival.event;
  if (Status analyzed = analyze(arrival); !analyzed) return analyzed.error();
  StoreBatch batch{*store_};
  arrival.number = arrival.staged != nullptr ? arrival.staged->number : batch.next_revision();
  arrival.range = {batch.numbers().slot, event.chunks.size()};
  if (!event.removed) put_rows(batch, arrival);
  const std::size_t arrived = arrival.staged != nullptr ? arrival.staged->arrived.size() : 0;
  if (!event.removed && arrived + 1 < static_cast<std::size_t>(event.batches)) {
    if (Status staged = stage(batch, arrival); !staged) return staged.error();
    return IndexChange{};
  }
  const DocumentRow next =
      document_with(event, arrival.number, arrival.range, arrival.staged, arrival.document,
                    staging_.older(arrival.key, arrival.number));
  if (Status swapped = swap(batch, arrival, next); !swapped) return swapped.error();
  return change_of(arrival.key, next.current());
}

void StoredPartitionIndex::put_rows(StoreBatch& batch, Arrival& arrival) const {
  const ChunkEvent& event = arrival.event;
  batch.put_revision(arrival.number, arrival.revision);
  const std::size_t vector_bytes = static_cast<std::size_t>(options_.dimensions) * 2;
  for (std::size_t i = 0; i < event.chunks.size(); ++i) {
    batch.add_chunk({arrival.number, event.chunks[i]},
                    std::string_view{arrival.encoded}.substr(i * vector_bytes, vector_bytes));
  }
  const std::string& name = event.document.collection;
  const auto known = collections_.find(name);
  if (known != collections_.end()) {
    arrival.collection = known->second;
  } else {
    arrival.collection.number = static_cast<std::uint32_t>(collections_.size());
  }
  std::vector<std::string>& languages = arrival.collection.languages;
  const bool new_language = std::ranges::count(languages, arrival.revision.language) == 0;
  if (new_language) languages.push_back(arrival.revision.language);
  if (new_language || known == collections_.end()) batch.put_collection(name, arrival.collection);
}

// Rows that nobody sees yet.
void StoredPartitionIndex::append(const Arrival& arrival) {
  if (arrival.event.removed) return;
  {
    const auto lock = lock_.write();
    collections_.insert_or_assign(arrival.event.document.collection, arrival.collection);
  }
  std::vector<std::uint64_t> slots(arrival.range.count);
  std::iota(slots.begin(), slots.end(), arrival.range.first);
  append({slots, arrival.vectors, arrival.terms, arrival.collection.number,
          arrival.revision.metadata});
}

Status StoredPartitionIndex::stage(StoreBatch& batch, const Arrival& arrival) {
  const StagedRow row{arrival.number, arrival.event.batches, arrival.range};
  const std::string& revision = arrival.event.document.revision;
  batch.put_staged(arrival.key, revision, arrival.event.batch, row);
  if (Status written = write(batch); !written) return written;
  staging_.add(arrival.key, revision, arrival.event.batch, row);
  append(arrival);
  return {};
}

Status StoredPartitionIndex::swap(StoreBatch& batch, const Arrival& arrival,
                                  const DocumentRow& next) {
  std::vector<ChunkStore::Garbage> garbage;
  if (arrival.document && !arrival.document->current().removed) {
    garbage.push_back({arrival.document->current().number, arrival.document->ranges});
  }
  for (const StagedRevision& dropped : staging_.older(arrival.key, arrival.number)) {
    ChunkStore::Garbage& superfluous = garbage.emplace_back();
    superfluous.revision_number = dropped.number;
    for (const auto& [number, range] : dropped.arrived) {
      batch.remove_staged(arrival.key, dropped.revision, number);
      superfluous.ranges.push_back(range);
    }
  }
  if (arrival.staged != nullptr) {
    for (const auto& [number, range] : arrival.staged->arrived) {
      batch.remove_staged(arrival.key, arrival.staged->revision, number);
    }
  }
  for (const ChunkStore::Garbage& superfluous : garbage) batch.put_garbage(superfluous);
  batch.put_document(arrival.key, next);
  if (Status written = write(batch); !written) return written;

  append(arrival);
  flip(arrival, next, garbage);
  staging_.settle(arrival.key, arrival.number);
  // Removed by the next write, that is after the flip: a search that began before it still finds
  // the rows of the old revision.
  garbage_.insert(garbage_.end(), garbage.begin(), garbage.end());
  show_counts();
  return {};
}

void StoredPartitionIndex::flip(const Arrival& arrival, const DocumentRow& next,
                                const std::vector<ChunkStore::Garbage>& garbage) {
  const std::string& collection = arrival.event.document.collection;
  const auto lock = lock_.write();
  if (next.chunks() > 0) {
    const Audience audience = audiences_.acquire(collection, next.allow, next.chunks());
    for (const SlotRange& range : next.ranges) segments_.set_audience(range, audience);
  }
  for (const ChunkStore::Garbage& superfluous : garbage) {
    for (const SlotRange& range : superfluous.ranges) segments_.set_audience(range, kDeadRow);
  }
  if (arrival.document) {
    const DocumentRow& before = *arrival.document;
    if (before.chunks() > 0) audiences_.release(collection, before.allow, before.chunks());
    count(arrival.key, before, -1);
  }
  count(arrival.key, next, 1);
}

Status StoredPartitionIndex::write(StoreBatch& batch) {
  for (const ChunkStore::Garbage& superfluous : garbage_) batch.remove_garbage(superfluous);
  if (Status written = store_->write(batch); !written) return written;
  if (!garbage_.empty() && !died_at_) died_at_ = system_clock().now();
  garbage_.clear();
  changed_ = true;
  return {};
}

}  // namespace millrace
