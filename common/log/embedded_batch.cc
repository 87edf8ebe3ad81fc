#include "common/log/embedded_batch.h"

#include <algorithm>

#include "common/log/embedded_purge.h"
#include "common/log/segmented.h"

namespace millrace {

namespace {

// Timestamps do not go back within a partition, so that retention can search by time; unless the
// clock was this far ahead and has been set right: then records would be kept too long.
constexpr std::chrono::hours kClockStepMax{24};

}  // namespace

EmbeddedBatch::~EmbeddedBatch() {
  for (const auto& [id, touched] : touched_) {
    PartitionState& partition = touched.topic->at(id.partition);
    partition.next = partition.end.load();
  }
}

Clock::Wall EmbeddedBatch::timestamp(PartitionState& partition) const {
  const bool stepped_back = partition.last_timestamp - now_ > kClockStepMax;
  partition.last_timestamp = stepped_back ? now_ : std::max(now_, partition.last_timestamp);
  return partition.last_timestamp;
}

Result<Position> EmbeddedBatch::add(const RoutedRecord& routed) {
  const Record& record = *routed.record;
  const PartitionId id = routed.topic->id(routed.partition);
  PartitionState& partition = routed.topic->at(routed.partition);
  const Offset offset = partition.next++;
  if (routed.topic->deleted()) return Position{{routed.topic->spec().name, id.partition}, offset};
  Touched& touched = touched_[id];
  touched.topic = routed.topic;
  ++touched.records;
  touched.bytes += record.bytes();

  const Clock::Wall written = timestamp(partition);
  const std::string row = record_row(id, offset);
  const std::string head = encode_record_head(record, written);
  const rocksdb::Slice row_slice{row};
  const rocksdb::Slice parts[] = {head, record.value};
  rows_.Put(store_.records(), rocksdb::SliceParts{&row_slice, 1}, rocksdb::SliceParts{parts, 2});

  if (routed.topic->compacted()) {
    if (is_earlier_segment(record)) {
      const std::string segment = segment_row(id, offset);
      put_meta(segment, encode_time(written));
      unclaimed_[segment] = true;
    } else {
      const Status superseded = supersede(id, offset, record);
      if (!superseded) return superseded.error();
      if (record.tombstone) {
        put_meta(tombstone_row(written, id, offset), key_row(id, record.key));
      }
    }
  }
  return Position{{routed.topic->spec().name, routed.partition}, offset};
}

// The key's record so far goes, with its earlier segments, and this one takes its place.
Status EmbeddedBatch::supersede(PartitionId id, Offset offset, const Record& record) {
  const std::string row = key_row(id, record.key);
  const auto old = newest(row);
  if (!old) return old.error();
  if (*old) {
    remove_record(store_, id, (*old)->offset, rows_);
    for (const Offset each : (*old)->segments) remove_record(store_, id, each, rows_);
  }
  auto segments = claim_segments(id, record);
  if (!segments) return segments.error();
  KeyEntry entry{offset, std::move(*segments)};
  rows_.Put(store_.keys(), row, encode_key_entry(entry));
  entries_[row] = std::move(entry);
  return {};
}

Result<std::optional<KeyEntry>> EmbeddedBatch::newest(const std::string& row) const {
  if (const auto found = entries_.find(row); found != entries_.end()) {
    return std::optional<KeyEntry>{found->second};
  }
  const auto stored = store_.get(store_.keys(), row);
  if (!stored) return stored.error();
  if (!*stored) return std::optional<KeyEntry>{};
  auto entry = decode_key_entry(**stored);
  if (!entry) return fatal("read the log in " + store_.where() + ": a key's row is damaged");
  return std::optional<KeyEntry>{std::move(*entry)};
}

// Of the segments that the record lists those that no other record owns: a forged list must not
// remove anybody else's records when this one is superseded.
Result<std::vector<Offset>> EmbeddedBatch::claim_segments(PartitionId id, const Record& record) {
  std::vector<Offset> claimed;
  for (const Offset each : segment_offsets(record)) {
    const std::string row = segment_row(id, each);
    auto waiting = unclaimed_.find(row);
    if (waiting == unclaimed_.end()) {
      const auto stored = store_.get(store_.meta(), row);
      if (!stored) return stored.error();
      waiting = unclaimed_.emplace(row, stored->has_value()).first;
    }
    if (!waiting->second) continue;
    waiting->second = false;
    rows_.Delete(store_.meta(), row);
    claimed.push_back(each);
  }
  return claimed;
}

void EmbeddedBatch::commit(const GroupOffset& committed) {
  put_meta(group_row(committed.group, committed.partition), encode_offset(committed.offset));
  committed_.push_back(committed);
}

void EmbeddedBatch::put_meta(std::string_view row, std::string_view stored) {
  rows_.Put(store_.meta(), slice(row), slice(stored));
}

Status EmbeddedBatch::write(bool sync) {
  // Kept apart from the records, so that a partition whose last records are gone does not give
  // their offsets again.
  for (const auto& [id, touched] : touched_) {
    put_meta(next_row(id), encode_offset(touched.topic->at(id.partition).next));
  }
  if (rows_.Count() == 0) return {};
  return store_.write(rows_, sync);
}

void EmbeddedBatch::publish(GroupTable& groups) {
  for (const GroupOffset& each : committed_) groups.store(each);
  for (const auto& [id, touched] : touched_) {
    PartitionState& partition = touched.topic->at(id.partition);
    partition.end = partition.next.load();
  }
  TopicState* told = nullptr;  // partitions of one topic stand together
  for (const auto& [id, touched] : touched_) {
    if (touched.topic != told) touched.topic->notify();
    told = touched.topic;
  }
  for (const auto& [id, touched] : touched_) {
    touched.topic->records.add(static_cast<double>(touched.records));
    touched.topic->bytes.add(static_cast<double>(touched.bytes));
  }
  touched_.clear();
}

}  // namespace millrace
