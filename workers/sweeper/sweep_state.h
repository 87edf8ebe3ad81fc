#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace rocksdb {
class DB;
}

namespace millrace {

// An earlier segment of a record.
struct Segment {
  Offset offset = 0;
  std::string key;  // KEY NUL SET NUL N
  bool operator==(const Segment&) const = default;
};

// KEY of KEY NUL SET NUL N; empty when that is not its form. KEY may itself hold NULs, SET may not:
// a segment is of one record's key, and no other.
std::optional<std::string_view> record_key_of(std::string_view segment_key);

// How far one partition has been read: the next offset, and its time so far (see Sweeper).
struct Standing {
  Offset position = 0;
  Clock::Wall time{};
};

// What the sweeper remembers of one partition: what is durable, in RocksDB, and the changes of the
// batch that is being processed, in memory, where reads see them. Failures: `unavailable` from the
// disk, `fatal` for damage.
class PartitionState {
 public:
  PartitionState(rocksdb::DB& db, const TopicPartition& source, const Standing& durable);

  // Before the first record of each batch. Where it stands behind the changes, the log has
  // committed what they belong to: they are made durable with their standing. Otherwise it all
  // comes again: they are dropped. So what is durable never stands past what the log has committed.
  Status begin(Offset first);

  const Standing& standing() const { return standing_; }  // with the changes
  const Standing& durable() const { return durable_; }

  Result<std::optional<Segment>> unclaimed(Offset offset) const;
  // In the order in which the record lists them; empty when it has none.
  Result<std::vector<Segment>> owned(std::string_view record_key) const;
  // Unclaimed segments of that time or before it, oldest first. Only durable ones: those of this
  // batch are in a later one's.
  Result<std::vector<Segment>> orphans(Clock::Wall until, std::size_t count_max);

  void stand_at(const Standing& standing) { standing_ = standing; }
  // Offsets and times never decrease. Its key has the form of a segment's.
  void add_unclaimed(Clock::Wall time, const Segment& segment);
  void remove_unclaimed(Offset offset);
  // Segments of the key's newest record.
  void own(std::string_view record_key, const std::vector<Segment>& segments);

 private:
  std::string row(char kind) const { return kind + source_; }
  std::string row(char kind, Offset offset) const;
  std::string row(char kind, std::string_view record_key) const;
  Result<std::optional<std::string>> get(const std::string& row) const;

  rocksdb::DB& db_;
  const std::string source_;
  Standing durable_;
  Standing standing_;
  std::map<std::string, std::optional<std::string>> changes_;  // empty: remove; one batch's
  Standing orphans_from_;  // no unclaimed segment stands before it; spares most looks for orphans
};

// All partitions, in one database, written without a sync: after a power cut each partition's rows
// and standing are those of an earlier batch. Owned by one thread.
class SweepState {
 public:
  // `rejected` when another program's files are there.
  static Result<std::unique_ptr<SweepState>> open(const std::filesystem::path& directory);
  ~SweepState();

  PartitionState& partition(const TopicPartition& source);
  // Of every partition that has been read, where its durable rows stand.
  Offsets durable() const;

 private:
  SweepState();
  Status load();

  std::unique_ptr<rocksdb::DB> db_;
  std::map<TopicPartition, PartitionState> partitions_;
};

}  // namespace millrace
