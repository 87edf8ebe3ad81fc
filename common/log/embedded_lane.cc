#include "common/log/embedded_lane.h"

#include <algorithm>
#include <future>

#include "common/log/embedded_purge.h"
#include "common/logging.h"

namespace millrace {

namespace {

// One batch takes no more, so that what arrives while a large upload is stored waits for a part of
// it only. A request that is larger goes alone.
constexpr std::size_t kBatchBytesMax = 8U << 20U;
constexpr std::size_t kBatchRecordsMax = 10'000;
constexpr std::uint64_t kDiskReserveBytes = 128U << 20U;

std::size_t records_of(const LaneRequest& request) {
  return std::max<std::size_t>(1, request.records.size());  // offsets alone take a place too
}

std::size_t bytes_of(const LaneRequest& request) {
  std::size_t bytes = 0;
  for (const RoutedRecord& each : request.records) bytes += each.record->bytes();
  return bytes;
}

}  // namespace

EmbeddedLane::EmbeddedLane(std::string name, bool durable, std::unique_ptr<EmbeddedStore> store,
                           const LaneParts& parts)
    : durable_(durable),
      store_(std::move(store)),
      parts_(parts),
      commit_seconds_(parts.metrics.histogram(
          "log_commit_seconds", "Time to store one batch of the log", {{"lane", std::move(name)}},
          {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
           0.05, 0.1, 0.25, 0.5, 1, 2.5})),
      disk_free_(parts.metrics.gauge("log_disk_free_bytes", "Bytes left on the disk of the log")),
      trimmer_({*store_, parts.topics, groups_, *this, parts.clock}) {}

void EmbeddedLane::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

void EmbeddedLane::start() {
  static_cast<void>(check_room());  // for the gauge
  thread_ = std::thread{[this] { run(); }};
}

void EmbeddedLane::submit(LaneRequest request) {
  const std::size_t records = records_of(request);
  const std::size_t bytes = bytes_of(request);
  if (records > parts_.budget.records_max() || bytes > parts_.budget.bytes_max()) {
    request.done(rejected("append " + std::to_string(records) + " records of " +
                          std::to_string(bytes) + " bytes: one append takes at most " +
                          std::to_string(parts_.budget.records_max()) + " records of " +
                          std::to_string(parts_.budget.bytes_max()) + " bytes"));
    return;
  }
  if (!parts_.budget.take(records, bytes)) {
    request.done(unavailable("append to the log in " + store_->where() +
                             ": its queue is full; try again shortly"));
    return;
  }
  {
    std::unique_lock lock{mutex_};
    if (stopping_) {
      lock.unlock();
      parts_.budget.give_back(records, bytes);
      request.done(unavailable("append to the log in " + store_->where() + ": it is closing"));
      return;
    }
    queue_.push_back(std::move(request));
  }
  arrived_.notify_one();
}

Result<std::vector<Position>> EmbeddedLane::submit_and_wait(LaneRequest request) {
  std::promise<Result<std::vector<Position>>> outcome;
  auto stored = outcome.get_future();
  request.done = [&outcome](Result<std::vector<Position>> positions) {
    outcome.set_value(std::move(positions));
  };
  submit(std::move(request));
  return stored.get();
}

void EmbeddedLane::run() {
  Clock::Steady trim_at = parts_.clock.now() + parts_.trim_interval;
  Work work;
  while (take(work)) {
    if (!work.empty()) store_all(work);
    // Nothing to do for a whole interval is a reason too: the clock may be a test's.
    if (!work.empty() && parts_.clock.now() < trim_at) continue;
    trimmer_.trim();
    static_cast<void>(check_room());  // for the gauge, of an idle log too
    trim_at = parts_.clock.now() + parts_.trim_interval;
  }
}

bool EmbeddedLane::take(Work& work) {
  work.clear();
  std::unique_lock lock{mutex_};
  arrived_.wait_for(lock, parts_.trim_interval, [&] { return stopping_ || !queue_.empty(); });
  std::size_t records = 0;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    records += records_of(queue_.front());
    bytes += bytes_of(queue_.front());
    if (!work.empty() && (records > kBatchRecordsMax || bytes > kBatchBytesMax)) break;
    work.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !work.empty() || !stopping_;
}

void EmbeddedLane::store_all(Work& work) {
  std::vector<std::vector<Position>> positions(work.size());
  const Status stored = store_batch(work, positions);
  if (!stored && !failing_) {
    log_event(LogLevel::error, "log_write_failed", {{"error", stored.error().message}});
  }
  failing_ = !stored;
  for (std::size_t i = 0; i < work.size(); ++i) {
    parts_.budget.give_back(records_of(work[i]), bytes_of(work[i]));
    const Status done = store_one(work[i], stored);
    if (done) {
      work[i].done(std::move(positions[i]));
    } else {
      work[i].done(done.error());
    }
  }
}

// What is not part of the batch. A full disk is no reason not to: this makes room.
Status EmbeddedLane::store_one(LaneRequest& request, const Status& stored) {
  if (request.deleted != nullptr) return trimmer_.remove_topic(*request.deleted);
  if (request.clear_up) return trimmer_.remove_what_is_over();
  if (!request.purged.empty()) return trimmer_.forget_removed(request.purged);
  for (const auto& [partition, before] : request.trimmed) {
    TopicState* topic = parts_.topics.find(partition.topic);
    if (topic == nullptr) continue;
    Status trimmed = trimmer_.trim_before(*topic, partition.partition, before);
    if (!trimmed) return trimmed;
  }
  return request.trimmed.empty() ? stored : Status{};
}

Status EmbeddedLane::purge() {
  LaneRequest clear_up;
  clear_up.clear_up = true;
  if (const auto done = submit_and_wait(std::move(clear_up)); !done) return done.error();
  for (bool more = true; more;) {
    auto purged = EmbeddedPurge{*store_}.run();
    if (!purged) return purged.error();
    more = purged->size() == EmbeddedPurge::kRowsMax;  // else it has seen all that there were
    if (purged->empty()) return {};
    LaneRequest forget;
    forget.purged = std::move(*purged);
    if (const auto done = submit_and_wait(std::move(forget)); !done) return done.error();
  }
  return {};
}

Status EmbeddedLane::store_batch(const Work& work, std::vector<std::vector<Position>>& positions) {
  const Clock::Steady began = parts_.clock.now();
  if (Status room = check_room(); !room) return room;
  EmbeddedBatch batch{*store_, parts_.clock.wall_now()};
  bool sync = false;
  for (std::size_t i = 0; i < work.size(); ++i) {
    for (const RoutedRecord& each : work[i].records) {
      auto position = batch.add(each);
      if (!position) return position.error();
      positions[i].push_back(std::move(*position));
    }
    for (const GroupOffset& each : work[i].offsets) batch.commit(each);
    for (const auto& [row, stored] : work[i].meta) batch.put_meta(row, stored);
    sync = sync || must_sync(work[i]);
  }
  Status written = batch.write(sync);
  if (!written) return written;
  batch.publish(groups_);
  commit_seconds_.observe(std::chrono::duration<double>(parts_.clock.now() - began).count());
  return {};
}

// Asked before records are added, so that what makes room again (trimming, compaction) still has
// some to work in.
Status EmbeddedLane::check_room() {
  const std::uint64_t left = store_->free_bytes();
  disk_free_.set(static_cast<double>(left));
  if (left >= kDiskReserveBytes) return {};
  return unavailable("write to the log in " + store_->where() + ": the disk is full, " +
                     std::to_string(left >> 20U) + " MiB are left and " +
                     std::to_string(kDiskReserveBytes >> 20U) +
                     " MiB are kept for clearing up; make room and it goes on by itself");
}

// Offsets without records need no sync: whoever loses them to a power cut reads records again that
// came to nothing the first time, and every later sync covers them.
bool EmbeddedLane::must_sync(const LaneRequest& request) const {
  return durable_ && (!request.records.empty() || !request.meta.empty());
}

Status EmbeddedLane::recover() {
  const std::unique_ptr<rocksdb::Iterator> rows{store_->db().NewIterator({}, store_->meta())};
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::string_view row = rows->key().ToStringView();
    const std::string_view stored = rows->value().ToStringView();
    if (row.front() == meta::kTopic) {
      const auto topic = decode_topic(row, stored);
      if (!topic) return fatal("read the log in " + store_->where() + ": a topic is damaged");
      if (const Status read = recover_topic(*topic); !read) return read;
    } else if (row.front() == meta::kGroup) {
      const auto committed = decode_group_offset(row, stored);
      if (!committed) return fatal("read the log in " + store_->where() + ": an offset is damaged");
      groups_.store(*committed);
    } else if (row.front() == meta::kLastTopic) {
      const auto last = decode_topic_number(stored);
      if (!last) return fatal("read the log in " + store_->where() + ": a number is damaged");
      last_topic_id_ = std::max(last_topic_id_, *last);
    }
  }
  if (!rows->status().ok()) return store_->error("read the log", rows->status());
  return trimmer_.drop_unclaimed_segments(Clock::Wall::max());
}

Status EmbeddedLane::recover_topic(const StoredTopic& stored) {
  TopicState& topic = parts_.topics.add(stored, *this, parts_.metrics);
  last_topic_id_ = std::max(last_topic_id_, stored.id);
  for (std::int32_t partition = 0; partition < topic.spec().partitions; ++partition) {
    if (const Status read = recover_partition(topic, partition); !read) return read;
  }
  return {};
}

Status EmbeddedLane::recover_partition(TopicState& topic, std::int32_t partition) {
  PartitionState& state = topic.at(partition);
  const PartitionId id = topic.id(partition);
  const auto next = store_->get(store_->meta(), next_row(id));
  if (!next) return next.error();
  const auto begin = store_->get(store_->meta(), begin_row(id));
  if (!begin) return begin.error();
  const auto last = store_->last_record(id, topic.spec().name);
  if (!last) return last.error();

  if (*next) state.next = decode_offset(**next).value_or(0);
  if (*last) {
    state.next = std::max(state.next.load(), (*last)->offset + 1);
    state.last_timestamp = (*last)->timestamp;
  }
  state.begin = *begin ? decode_offset(**begin).value_or(0) : 0;
  state.end = state.next.load();
  return {};
}

}  // namespace millrace
