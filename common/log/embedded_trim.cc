#include "common/log/embedded_trim.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <tuple>

#include "common/log/embedded_purge.h"
#include "common/log/segmented.h"
#include "common/logging.h"

namespace millrace {

namespace {

// Trimmed records are invisible at once; they leave the disk when this much has gathered, so that
// range tombstones, which every read of the memtable looks at, stay few.
constexpr std::uint64_t kRemoveBytesMin = 1U << 20U;
// Rows of one pass: more wait for the next one, appends wait no longer than this takes.
constexpr std::size_t kRowsMax = 10'000;
constexpr std::size_t kExpiredBytesMax = 16U << 20U;  // read in one pass, of each partition

void report(const Status& status, std::string_view step) {
  if (status) return;
  log_event(LogLevel::warning, "log_trim_failed",
            {{"step", step}, {"error", status.error().message}});
}

bool starts_with_kind(const rocksdb::Iterator& rows, char kind) {
  return rows.Valid() && !rows.key().empty() && rows.key()[0] == kind;
}

}  // namespace

void EmbeddedTrimmer::trim() {
  for (TopicState* topic : parts_.topics.of(parts_.lane)) {
    if (topic->compacted() && !topic->expires()) continue;
    for (std::int32_t partition = 0; partition < topic->spec().partitions; ++partition) {
      report(topic->compacted() ? expire(*topic, partition) : trim_by_time(*topic, partition),
             "retention");
    }
  }
  report(trim_tombstones(), "tombstones");
  report(drop_unclaimed_segments(parts_.clock.wall_now() - kUnclaimedSegmentRetention), "segments");
}

Result<bool> EmbeddedTrimmer::is_older(const TopicState& topic, std::int32_t partition,
                                       Offset offset, Clock::Wall cutoff) const {
  rocksdb::PinnableSlice stored;
  const rocksdb::Status status = parts_.store.db().Get(
      {}, parts_.store.records(), record_row(topic.id(partition), offset), &stored);
  if (status.IsNotFound()) return true;  // nothing there to keep
  if (!status.ok()) return parts_.store.error("read the log", status);
  const auto written = decode_timestamp(stored.ToStringView());
  return written && *written < cutoff;
}

// Timestamps never go back within a partition (EmbeddedBatch), so a binary search finds the first
// record that must stay.
Result<Offset> EmbeddedTrimmer::first_since(TopicState& topic, std::int32_t partition,
                                            Clock::Wall cutoff) const {
  Offset low = topic.at(partition).begin;
  Offset high = topic.at(partition).end;
  if (low < high) {  // mostly there is nothing to do: one read tells
    const auto older = is_older(topic, partition, low, cutoff);
    if (!older) return older.error();
    if (!*older) return low;
  }
  while (low < high) {
    const Offset middle = low + (high - low) / 2;
    const auto older = is_older(topic, partition, middle, cutoff);
    if (!older) return older.error();
    if (*older) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Status EmbeddedTrimmer::trim_by_time(TopicState& topic, std::int32_t partition) {
  PartitionState& state = topic.at(partition);
  const auto begin = first_since(topic, partition, parts_.clock.wall_now() - topic.retention());
  if (!begin) return begin.error();
  if (*begin == state.begin) return {};
  if (Status moved = move_begin(topic, partition, *begin, false); !moved) return moved;
  return remove_from_disk(topic, partition, kRemoveBytesMin);
}

Status EmbeddedTrimmer::move_begin(TopicState& topic, std::int32_t partition, Offset begin,
                                   bool sync) {
  rocksdb::WriteBatch batch;
  batch.Put(parts_.store.meta(), begin_row(topic.id(partition)), encode_offset(begin));
  if (Status written = parts_.store.write(batch, sync); !written) return written;
  topic.at(partition).begin = begin;
  return {};
}

Status EmbeddedTrimmer::trim_before(TopicState& topic, std::int32_t partition, Offset before) {
  PartitionState& state = topic.at(partition);
  const Offset begin = std::min(before, state.end.load());
  if (begin <= state.begin) return {};
  return move_begin(topic, partition, begin, topic.spec().durable);
}

Status EmbeddedTrimmer::remove_what_is_over() {
  trim();
  for (TopicState* topic : parts_.topics.of(parts_.lane)) {
    if (topic->compacted()) continue;
    for (std::int32_t partition = 0; partition < topic->spec().partitions; ++partition) {
      if (Status removed = remove_from_disk(*topic, partition, 0); !removed) return removed;
    }
  }
  return {};
}

Status EmbeddedTrimmer::forget_removed(const std::vector<MetaRow>& purged) {
  rocksdb::WriteBatch batch;
  for (const auto& [row, value] : purged) {
    const auto stored = parts_.store.get(parts_.store.meta(), row);
    if (!stored) return stored.error();
    // Else more was removed from there meanwhile.
    if (*stored == value) batch.Delete(parts_.store.meta(), row);
  }
  return batch.Count() == 0 ? Status{} : parts_.store.write(batch, false);
}

// There are gaps, so the records are walked through from the first. Tombstones have a time of their
// own. Earlier segments go with their record, which came within the time that unclaimed ones have;
// what is older is left over from before the topic was compacted.
Status EmbeddedTrimmer::expire(TopicState& topic, std::int32_t partition) {
  const Clock::Wall cutoff = parts_.clock.wall_now() - topic.retention();
  const PartitionId id = topic.id(partition);
  const EmbeddedStore& store = parts_.store;
  const std::string upper = record_row(id, topic.at(partition).end);
  const rocksdb::Slice upper_slice{upper};
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_slice;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows{store.db().NewIterator(options, store.records())};
  rocksdb::WriteBatch batch;
  std::size_t seen = 0;
  std::size_t bytes = 0;
  for (rows->Seek(record_row(id, topic.at(partition).begin));
       rows->Valid() && seen < kRowsMax && bytes < kExpiredBytesMax; rows->Next(), ++seen) {
    const auto row = parse_record_row(rows->key().ToStringView());
    Record record;
    if (!row || !decode_record(rows->value().ToStringView(), record)) {
      return fatal("read the log in " + store.where() + ": a record is damaged");
    }
    if (record.timestamp >= cutoff) break;
    bytes += rows->value().size();
    record.offset = row->offset;
    if (is_earlier_segment(record)) {
      const bool left_over = record.timestamp < cutoff - kUnclaimedSegmentRetention;
      if (left_over) remove_record(store, id, row->offset, batch);
    } else if (!record.tombstone) {
      if (Status added = add_expired(id, record, batch); !added) return added;
    }
  }
  if (!rows->status().ok()) return store.error("read the log", rows->status());
  return batch.Count() == 0 ? Status{} : parts_.store.write(batch, false);
}

Status EmbeddedTrimmer::add_expired(PartitionId id, const Record& record,
                                    rocksdb::WriteBatch& batch) const {
  const EmbeddedStore& store = parts_.store;
  remove_record(store, id, record.offset, batch);
  const std::string key = key_row(id, record.key);
  const auto stored = store.get(store.keys(), key);
  if (!stored) return stored.error();
  const auto entry = *stored ? decode_key_entry(**stored) : std::optional<KeyEntry>{};
  if (!entry || entry->offset != record.offset) return {};  // superseded
  batch.Delete(store.keys(), key);
  for (const Offset each : entry->segments) remove_record(store, id, each, batch);
  return {};
}

Status EmbeddedTrimmer::remove_from_disk(TopicState& topic, std::int32_t partition,
                                         std::uint64_t bytes_min) {
  PartitionState& state = topic.at(partition);
  const Offset begin = state.begin;
  if (begin <= state.removed_before) return {};
  const PartitionId id = topic.id(partition);
  rocksdb::ColumnFamilyHandle* records = parts_.store.records();
  const std::string from = record_row(id, state.removed_before);
  const std::string to = record_row(id, begin);
  const rocksdb::Range range{from, to};
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  std::uint64_t bytes = 0;
  rocksdb::Status status =
      parts_.store.db().GetApproximateSizes(options, records, &range, 1, &bytes);
  if (!status.ok()) return parts_.store.error("measure the log", status);
  if (bytes < bytes_min) return {};

  // Whole files first, at no cost; a range tombstone for what is left in files with others. Always
  // from the very beginning: a file that goes may have held the tombstone of an earlier pass.
  const std::string lowest = record_row(id, 0);
  const rocksdb::Slice first{lowest};
  const rocksdb::Slice past{to};
  status = rocksdb::DeleteFilesInRange(&parts_.store.db(), records, &first, &past, false);
  if (!status.ok()) return parts_.store.error("trim the log", status);
  rocksdb::WriteBatch batch;
  batch.DeleteRange(records, first, past);
  batch.Put(parts_.store.meta(), removed_row(id, 0), encode_offset(begin));
  if (Status written = parts_.store.write(batch, false); !written) return written;
  state.removed_before = begin;
  topic.trimmed_bytes.add(static_cast<double>(bytes));
  return {};
}

Status EmbeddedTrimmer::remove_topic(TopicState& topic) {
  EmbeddedStore& store = parts_.store;
  const PartitionId begin = topic.id(0);
  const PartitionId end{begin.topic + 1, 0};
  const std::string first_record = record_row(begin, 0);
  const std::string past_records = record_row(end, 0);
  const std::string first_key = key_row(begin, "");
  const std::string past_keys = key_row(end, "");
  rocksdb::WriteBatch batch;
  batch.Delete(store.meta(), topic_row(topic.spec().name));
  for (std::int32_t partition = 0; partition < topic.spec().partitions; ++partition) {
    batch.Delete(store.meta(), next_row(topic.id(partition)));
    batch.Delete(store.meta(), begin_row(topic.id(partition)));
    batch.Put(store.meta(), removed_row(topic.id(partition), 0),
              encode_offset(topic.at(partition).next.load()));
    for (const GroupOffset& each : parts_.groups.remove({topic.spec().name, partition})) {
      batch.Delete(store.meta(), group_row(each.group, each.partition));
    }
  }
  batch.DeleteRange(store.records(), first_record, past_records);
  batch.DeleteRange(store.keys(), first_key, past_keys);
  if (Status written = store.write(batch, true); !written) return written;
  topic.set_deleted();
  // Whole files at once; the rest when RocksDB compacts.
  for (const auto& [family, from, to] : {std::tuple{store.records(), &first_record, &past_records},
                                         std::tuple{store.keys(), &first_key, &past_keys}}) {
    const rocksdb::Slice first{*from};
    const rocksdb::Slice past{*to};
    const rocksdb::Status status =
        rocksdb::DeleteFilesInRange(&store.db(), family, &first, &past, false);
    if (!status.ok()) return store.error("remove a topic", status);
  }
  return {};
}

// Whether every group and every open cursor stands behind the record. Then nobody is left who saw
// the key's former record and has not seen that it went.
bool EmbeddedTrimmer::all_passed(const RecordRow& record,
                                 std::map<PartitionId, Offset>& lowest) const {
  auto found = lowest.find(record.id);
  if (found == lowest.end()) {
    TopicState* topic = parts_.topics.find(parts_.lane, record.id.topic);
    if (topic == nullptr || !topic->has(record.id.partition)) return false;
    const Offset position = topic->lowest_position(record.id.partition);
    const auto committed = parts_.groups.lowest({topic->spec().name, record.id.partition});
    found = lowest.emplace(record.id, std::min(position, committed.value_or(position))).first;
  }
  return record.offset < found->second;
}

Status EmbeddedTrimmer::trim_tombstones() {
  const Clock::Wall cutoff = parts_.clock.wall_now() - kTombstoneRetention;
  std::map<PartitionId, Offset> lowest;
  rocksdb::WriteBatch batch;
  const EmbeddedStore& store = parts_.store;
  const std::unique_ptr<rocksdb::Iterator> rows{store.db().NewIterator({}, store.meta())};
  std::size_t seen = 0;
  for (rows->Seek(std::string(1, meta::kTombstone));
       starts_with_kind(*rows, meta::kTombstone) && seen < kRowsMax; rows->Next(), ++seen) {
    const auto row = parse_tombstone_row(rows->key().ToStringView());
    if (!row) return fatal("read the log in " + store.where() + ": a tombstone's row is damaged");
    if (row->written >= cutoff) break;  // sorted by time
    const std::string key_row{rows->value().ToStringView()};
    const auto stored = store.get(store.keys(), key_row);
    if (!stored) return stored.error();
    const auto entry = *stored ? decode_key_entry(**stored) : std::optional<KeyEntry>{};
    if (entry && entry->offset == row->record.offset) {
      if (!all_passed(row->record, lowest)) continue;
      batch.Delete(store.records(), record_row(row->record.id, row->record.offset));
      batch.Delete(store.keys(), key_row);
    }  // else the key has come back since, and the tombstone went then
    batch.Delete(store.meta(), rows->key());
  }
  if (!rows->status().ok()) return store.error("read the log", rows->status());
  return batch.Count() == 0 ? Status{} : parts_.store.write(batch, false);
}

Status EmbeddedTrimmer::drop_unclaimed_segments(Clock::Wall written_before) {
  rocksdb::WriteBatch batch;
  const EmbeddedStore& store = parts_.store;
  const std::unique_ptr<rocksdb::Iterator> rows{store.db().NewIterator({}, store.meta())};
  for (rows->Seek(std::string(1, meta::kSegment)); starts_with_kind(*rows, meta::kSegment);
       rows->Next()) {
    const auto row = parse_segment_row(rows->key().ToStringView());
    const auto written = decode_time(rows->value().ToStringView());
    if (!row || !written) {
      return fatal("read the log in " + store.where() + ": a segment's row is damaged");
    }
    if (*written >= written_before) continue;
    remove_record(store, row->id, row->offset, batch);
    batch.Delete(store.meta(), rows->key());
    if (static_cast<std::size_t>(batch.Count()) < kRowsMax) continue;
    if (Status written_now = parts_.store.write(batch, false); !written_now) return written_now;
    batch.Clear();
  }
  if (!rows->status().ok()) return store.error("read the log", rows->status());
  return batch.Count() == 0 ? Status{} : parts_.store.write(batch, false);
}

}  // namespace millrace
