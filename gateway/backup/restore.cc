#include "gateway/backup/restore.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "gateway/backup/moved_record.h"
#include "gateway/backup/offset_map.h"
#include "gateway/backup/record_file.h"
#include "gateway/backup/stored_backups.h"
#include "schemas/restore.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// Of one append.
constexpr std::size_t kRecordsMax = 512;
constexpr std::size_t kBytesMax = 8U << 20U;

class Restore {
 public:
  Restore(const ObjectStore& store, const Manifest& manifest, Log& log, const Clock& clock)
      : store_{store}, manifest_{manifest}, log_{log}, clock_{clock}, writer_{log.open_writer()} {}

  Status check_empty() const;
  // Whether nobody else is in the groups, so that what they have committed can be set.
  Status check_groups() const;
  Status say(RestoreEvent::State state);
  Status write_topics(const std::function<void(const BackupObject&)>& restored);
  // A new generation's number is the end of `collections` when it was asked for: that must lie
  // behind those that there are.
  Status pass_generations();
  Status set_positions() const;

 private:
  using Groups = std::map<std::pair<std::string, std::string>, Offsets>;  // by group and topic
  Groups groups() const;
  Result<std::unique_ptr<LogSession>> join(const std::string& group,
                                           const std::string& topic) const;
  Status write_object(const BackupObject& object);
  Status append();

  const ObjectStore& store_;
  const Manifest& manifest_;
  Log& log_;
  const Clock& clock_;
  const std::unique_ptr<LogWriter> writer_;
  OffsetMap offsets_;
  std::optional<Record> last_collection_;
  std::vector<Record> waiting_;  // of one partition
  std::size_t waiting_bytes_ = 0;
};

Status Restore::check_empty() const {
  for (const std::string& topic : manifest_.topics) {
    const std::span one{&topic, 1};
    const auto begins = begin_offsets(log_, one);
    if (!begins) return begins.error();
    const auto ends = end_offsets(log_, one);
    if (!ends) return ends.error();
    if (*begins == *ends) continue;
    return rejected("the log is not empty: the topic " + topic +
                    " has records. A backup is restored into an empty log only");
  }
  return {};
}

Restore::Groups Restore::groups() const {
  Groups groups;
  for (const GroupPosition& each : manifest_.groups) {
    groups[{each.group, each.source.topic}][each.source] =
        offsets_.at_or_after(each.source, each.offset);
  }
  return groups;
}

Result<std::unique_ptr<LogSession>> Restore::join(const std::string& group,
                                                  const std::string& topic) const {
  auto session = log_.open_session({.group = group, .topics = {topic}});
  if (!session) return session;
  const auto partitions = log_.partitions(topic);
  if (!partitions) return partitions.error();
  if ((*session)->assignment().size() != static_cast<std::size_t>(*partitions)) {
    return rejected("the group " + group +
                    " has other members: stop every worker of this log, then restore");
  }
  return session;
}

Status Restore::check_groups() const {
  for (const auto& [name, offsets] : groups()) {
    const auto session = join(name.first, name.second);
    if (!session) return session.error();
  }
  return {};
}

Status Restore::say(RestoreEvent::State state) {
  std::vector<Record> records;
  records.push_back(to_record(RestoreEvent{manifest_.name, state, clock_.wall_now()}));
  const auto stored = writer_->append(std::move(records));
  return stored ? Status{} : Status{stored.error()};
}

Status Restore::write_topics(const std::function<void(const BackupObject&)>& restored) {
  for (const std::string& topic : manifest_.topics) {
    for (const BackupObject& each : manifest_.objects) {
      if (each.source.topic != topic) continue;
      if (Status written = write_object(each); !written) {
        return with_context("restore " + each.name, written.error());
      }
      if (restored) restored(each);
    }
  }
  return {};
}

Status Restore::write_object(const BackupObject& object) {
  const auto bytes = read_object(store_, manifest_, object);  // checked once more
  if (!bytes) return bytes.error();
  RecordFileReader reader{*bytes, object.source};
  for (;;) {
    Record record;
    const auto next = reader.next(record);
    if (!next) return next.error();
    if (!*next) return append();
    waiting_bytes_ += record.bytes();
    waiting_.push_back(std::move(record));
    if (waiting_.size() < kRecordsMax && waiting_bytes_ < kBytesMax) continue;
    if (Status stored = append(); !stored) return stored;
  }
}

Status Restore::append() {
  if (waiting_.empty()) return {};
  std::vector<Offset> old;
  std::vector<Record> records;
  for (Record& each : waiting_) {
    old.push_back(each.offset);
    records.push_back(moved(std::move(each), offsets_));
  }
  if (records.back().topic == topics::kCollections) last_collection_ = records.back();
  waiting_.clear();
  waiting_bytes_ = 0;
  const auto stored = writer_->append(std::move(records));
  if (!stored) return stored.error();
  for (std::size_t i = 0; i < stored->size(); ++i) {
    offsets_.add((*stored)[i].source, old[i], (*stored)[i].offset);
  }
  return {};
}

Status Restore::pass_generations() {
  const Offset highest = std::ranges::max(manifest_.generations);
  const TopicPartition collections{std::string{topics::kCollections}, 0};
  for (;;) {
    const auto end = log_.end_offset(collections);
    if (!end) return end.error();
    if (*end >= highest || !last_collection_) return {};
    // The same once more says nothing new.
    const auto missing = static_cast<std::size_t>(highest - *end);
    std::vector<Record> records(std::min(missing, kRecordsMax), *last_collection_);
    const auto stored = writer_->append(std::move(records));
    if (!stored) return stored.error();
  }
}

Status Restore::set_positions() const {
  for (const auto& [name, offsets] : groups()) {
    const auto session = join(name.first, name.second);
    if (!session) return session.error();
    if (Status set = (*session)->commit({}, offsets); !set) {
      return with_context("set the offsets of " + name.first, set.error());
    }
  }
  return {};
}

}  // namespace

Result<std::vector<TopicSpec>> topics_for(const Manifest& manifest) {
  std::map<std::string, std::int32_t> backed_up;
  std::vector<TopicSpec> specs;
  for (const int generation : manifest.generations) {
    for (const TopicRow& row : topic_table()) {
      if (generation != 1 && !row.per_generation) continue;
      specs.push_back(topic_spec(row, manifest.partitions, generation));
      if (row.backed_up) backed_up.emplace(specs.back().name, specs.back().partitions);
    }
  }
  for (const std::string& topic : manifest.topics) {
    if (backed_up.contains(topic)) continue;
    return rejected("the backup has a topic " + topic +
                    ", which this version (" MILLRACE_VERSION ") does not know; millrace " +
                    manifest.millrace + " wrote it");
  }
  for (const BackupObject& each : manifest.objects) {
    if (each.source.partition < backed_up.at(each.source.topic)) continue;
    return rejected("the backup has " + each.name + " of a partition that its topic does not have");
  }
  return specs;
}

Status restore_backup(const ObjectStore& store, const Manifest& manifest, Log& log,
                      const Clock& clock,
                      const std::function<void(const BackupObject&)>& restored) {
  if (Status whole = check_whole(log); !whole) return whole;
  Restore restore{store, manifest, log, clock};
  if (Status empty = restore.check_empty(); !empty) return empty;
  if (Status alone = restore.check_groups(); !alone) return alone;
  if (Status said = restore.say(RestoreEvent::State::running); !said) return said;
  if (Status written = restore.write_topics(restored); !written) return written;
  if (Status passed = restore.pass_generations(); !passed) return passed;
  if (Status set = restore.set_positions(); !set) return set;
  return restore.say(RestoreEvent::State::done);
}

}  // namespace millrace
