#include "gateway/backup/backup.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <set>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/logging.h"
#include "gateway/backup/record_file.h"
#include "gateway/backup/stored_backups.h"
#include "schemas/collection.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kRecordsPerPoll = 512;
constexpr std::size_t kBytesPerPoll = 8U << 20U;
constexpr std::chrono::milliseconds kPollWait{200};
// To reach the end of a partition that is being written, after what stood in it when it began.
constexpr std::chrono::minutes kChaseMax{10};

std::string name_of(const TopicPartition& source) {
  return source.topic + ":" + std::to_string(source.partition);
}

// `moving`: at some moment it has all that there is, so that the newest record of each key is among
// it even where an older one goes as soon as it is superseded. `as_it_was`: as it was when all that
// stood in it at the beginning had been read.
enum class End { moving, as_it_was };

// Reads a partition to its end; `take` gets each record.
template <class Take>
Status read_to_end(Log& log, const Clock& clock, const TopicPartition& source, Offset from,
                   const std::stop_token& stop, End kind, Take take) {
  const auto reader = log.open_reader({{source, from}});
  if (!reader) return reader.error();
  const auto first_end = log.end_offset(source);
  if (!first_end) return first_end.error();
  std::optional<Clock::Steady> chased_since;
  std::optional<Offset> last_end;
  for (;;) {
    // Asked again each time, after the records before it have come: see Log::end_offset.
    const auto end = log.end_offset(source);
    if (!end) return end.error();
    const Offset at = (*reader)->positions().at(source);
    if (at >= *end || (last_end && at >= *last_end)) return {};
    if (stop.stop_requested()) return unavailable("stopped");
    if (at >= *first_end && !chased_since) {
      chased_since = clock.now();
      if (kind == End::as_it_was) last_end = *end;
    }
    if (chased_since && clock.now() - *chased_since > kChaseMax) {
      return unavailable("read " + name_of(source) + ": it grows faster than it can be read");
    }
    auto records = (*reader)->poll(kRecordsPerPoll, kBytesPerPoll, kPollWait);
    if (!records) return records.error();
    for (Record& each : *records) {
      if (Status taken = take(std::move(each), at < *first_end); !taken) return taken;
    }
  }
}

class Backup {
 public:
  Backup(Log& log, ObjectStore& store, const Clock& clock, const BackupOptions& options,
         BackupProgress& progress, const std::stop_token& stop)
      : log_{log},
        store_{store},
        clock_{clock},
        options_{options},
        progress_{progress},
        stop_{stop},
        began_{clock.now()} {}

  Status copy() {
    manifest_.name = options_.name;
    manifest_.millrace = MILLRACE_VERSION;
    manifest_.log = options_.log;
    manifest_.began_at = clock_.wall_now();
    if (Status found = find_out(); !found) return found;
    if (Status read = read_positions(); !read) return read;
    for (const TopicRow& row : topic_table() | std::views::reverse) {
      if (!row.backed_up) continue;
      for (const int generation : manifest_.generations) {
        if (generation != 1 && !row.per_generation) continue;
        if (Status copied = copy_topic(row, generation); !copied) return copied;
      }
    }
    std::ranges::reverse(manifest_.topics);
    return finish();
  }

  Manifest take() { return std::move(manifest_); }

 private:
  Status find_out();
  Status read_positions();
  Status read_positions(const std::string& group, const std::string& topic);
  Status copy_topic(const TopicRow& row, int generation);
  Status copy_partition(const TopicRow& row, const TopicPartition& source, Offset from);
  Status add(const Record& record);
  Status flush();
  Status finish();
  Status keep_rate();

  Log& log_;
  ObjectStore& store_;
  const Clock& clock_;
  const BackupOptions& options_;
  BackupProgress& progress_;
  const std::stop_token stop_;
  const Clock::Steady began_;
  Manifest manifest_;
  std::string file_;     // of the object that is being filled
  BackupObject object_;  // no records: there is none
  std::size_t objects_of_partition_ = 0;
};

// How many partitions there are, and which generations.
Status Backup::find_out() {
  const auto partitions = log_.partitions(topics::kDocuments);
  if (!partitions) return partitions.error();
  manifest_.partitions = *partitions;
  const TopicPartition source{std::string{topics::kCollections}, 0};
  const auto begin = log_.begin_offset(source);
  if (!begin) return begin.error();
  std::set<int> numbers{kGeneration};
  const auto take = [&numbers](const Record& record, bool) -> Status {
    const auto collection = collection_from(record);
    if (record.tombstone || !collection) return {};
    for (const Generation& each : collection->generations) numbers.insert(each.number);
    return {};
  };
  Status read = read_to_end(log_, clock_, source, *begin, stop_, End::moving, take);
  manifest_.generations.assign(numbers.begin(), numbers.end());
  return read;
}

Status Backup::read_positions() {
  for (const TopicRow& row : topic_table()) {
    for (const std::string_view group : row.groups) {
      if (group.empty()) continue;
      for (const int generation : manifest_.generations) {
        const std::string topic = topic_spec(row, manifest_.partitions, generation).name;
        if (!log_.partitions(topic)) continue;  // being made: it has no records yet
        // Some have one for all, some read another topic in some generations.
        if (Status read = read_positions(of_generation(group, generation), topic); !read) {
          return read;
        }
      }
    }
  }
  return {};
}

Status Backup::read_positions(const std::string& group, const std::string& topic) {
  for (std::int32_t i = 0; i < manifest_.partitions; ++i) {
    const auto offset = log_.committed(group, {topic, i});
    if (!offset) return with_context("read what " + group + " has committed", offset.error());
    if (*offset) manifest_.groups.push_back({group, {topic, i}, **offset});
  }
  return {};
}

Status Backup::copy_topic(const TopicRow& row, int generation) {
  const TopicSpec spec = topic_spec(row, manifest_.partitions, generation);
  const auto partitions = log_.partitions(spec.name);
  const bool is_being_made =
      !partitions && generation != 1 && partitions.error().kind == Error::Kind::rejected;
  if (is_being_made) return {};
  if (!partitions) return partitions.error();
  progress_.at_topic(spec.name);
  manifest_.topics.push_back(spec.name);
  for (std::int32_t i = 0; i < *partitions; ++i) {
    const TopicPartition source{spec.name, i};
    const auto begin = log_.begin_offset(source);
    if (!begin) return begin.error();
    // Of a topic kept by time nobody needs what its group is done with.
    Offset from = *begin;
    const auto group = std::ranges::find(manifest_.groups, source, &GroupPosition::source);
    if (!row.compacted && group != manifest_.groups.end()) from = std::max(from, group->offset);
    Status copied = copy_partition(row, source, from);
    if (!copied) return with_context("back up " + name_of(source), copied.error());
  }
  return {};
}

Status Backup::copy_partition(const TopicRow& row, const TopicPartition& source, Offset from) {
  objects_of_partition_ = 0;
  const auto take = [this](const Record& record, bool in_no_hurry) -> Status {
    if (Status added = add(record); !added) return added;
    return in_no_hurry ? keep_rate() : Status{};
  };
  // Kafka removes what was superseded long after, and its transactions' marks keep whoever follows
  // a busy partition from ever standing at its end.
  const End kind = !row.compacted || options_.log == "kafka" ? End::as_it_was : End::moving;
  if (Status read = read_to_end(log_, clock_, source, from, stop_, kind, take); !read) return read;
  return flush();
}

Status Backup::add(const Record& record) {
  const bool is_full =
      object_.records > 0 && file_.size() + record_file_bytes(record) > options_.object_bytes;
  if (is_full) {
    if (Status stored = flush(); !stored) return stored;
  }
  if (object_.records == 0) {
    file_ = new_record_file();
    object_.source = {record.topic, record.partition};
    object_.first = record.offset;
  }
  append_record(file_, record);
  object_.last = record.offset;
  ++object_.records;
  progress_.add(1, static_cast<std::int64_t>(record.bytes()));
  return {};
}

Status Backup::flush() {
  if (object_.records == 0) return {};
  std::string number = std::to_string(objects_of_partition_++);
  constexpr std::size_t kDigits = 6;
  number.insert(0, kDigits - std::min(kDigits, number.size()), '0');
  object_.name = object_.source.topic + "-" + std::to_string(object_.source.partition) + "-" +
                 number + ".records";
  object_.bytes = static_cast<std::int64_t>(file_.size());
  object_.sha256 = sha256_hex(file_);
  Status stored = store_.put(options_.name + "/" + object_.name, std::exchange(file_, {}));
  if (!stored) return stored;
  manifest_.objects.push_back(std::exchange(object_, {}));
  return {};
}

Status Backup::finish() {
  manifest_.ended_at = clock_.wall_now();
  std::string text = to_json(manifest_);
  const std::string folder = options_.name + "/";
  Status stored = store_.put(folder + std::string{Manifest::kChecksumFile}, checksum_line(text));
  if (!stored) return stored;
  return store_.put(folder + std::string{Manifest::kFile}, std::move(text));
}

// What is left of the time that so many bytes take.
Status Backup::keep_rate() {
  if (options_.bytes_per_second == 0) return {};
  const double due =
      static_cast<double>(progress_.bytes()) / static_cast<double>(options_.bytes_per_second);
  const auto ahead = std::chrono::duration<double>{due} - (clock_.now() - began_);
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(ahead);
  if (pause.count() > 0 && !clock_.sleep_for(pause, stop_)) return unavailable("stopped");
  return {};
}

}  // namespace

void BackupProgress::at_topic(const std::string& topic) {
  const std::lock_guard lock{mutex_};
  topic_ = topic;
}

void BackupProgress::add(std::int64_t records, std::int64_t bytes) {
  records_ += records;
  bytes_ += bytes;
}

std::string BackupProgress::topic() const {
  const std::lock_guard lock{mutex_};
  return topic_;
}

Result<Manifest> write_backup(Log& log, ObjectStore& store, const Clock& clock,
                              const BackupOptions& options, BackupProgress& progress,
                              const std::stop_token& stop) {
  Backup backup{log, store, clock, options, progress, stop};
  if (const Status copied = backup.copy(); !copied) {
    if (const Status removed = remove_backup(store, options.name); !removed) {
      log_event(LogLevel::warning, "backup_left_over",
                {{"backup", options.name}, {"error", removed.error().message}});
    }
    return copied.error();
  }
  return backup.take();
}

}  // namespace millrace
