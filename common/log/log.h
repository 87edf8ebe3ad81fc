#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/log/partition_choice.h"
#include "common/log/record.h"

namespace millrace {

// What the log has to know about a topic. The rows are in schemas/topics.cc.
struct TopicSpec {
  std::string name;
  std::int32_t partitions = 1;
  bool compacted = false;  // keep the last record of each key; else keep by time
  std::chrono::milliseconds retention{std::chrono::hours{24}};  // unless kept for good
  // Appends are acknowledged once they survive a power cut, and may stand in one atomic commit with
  // every other durable topic. Others (the question's way) survive the process, not the machine.
  bool durable = true;
  bool expires = false;  // compacted: a key's last record goes too, after `retention`
};

// One consumer of a group, owned by one thread; only wake() may be called from others.
// Delivers records of its topics in offset order per partition. Positions start at the group's
// committed offsets, else at the beginning of the topic.
class LogSession {
 public:
  virtual ~LogSession() = default;

  // Waits up to `wait` for at least one record, then returns at most `max_records` records and not
  // many more than `max_bytes` bytes (always at least one record when there is one, whatever its
  // size). Empty: nothing came, or wake() was called. Never returns the earlier segments of a
  // segmented record.
  virtual Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                           std::chrono::milliseconds wait) = 0;

  // Appends `outputs` and stores `consumed` as the group's offsets: all or nothing, for durable
  // topics. On an error nothing is stored: rewind() and poll again. A session opened as
  // at_least_once stores outputs first and offsets after, and may return before either is stored:
  // the next call says then that they were not.
  virtual Status commit(std::span<const Record> outputs, const Offsets& consumed) = 0;

  // Back to the last committed offsets (or to what seek() said last, where that is later).
  // Gives where at_least_once has to begin again, of each partition where what commit() took was
  // not stored after all.
  virtual Result<Offsets> rewind() = 0;

  // Reads on from `offsets`, for the partitions named there that are assigned to this session.
  virtual Status seek(const Offsets& offsets) = 0;

  // The partitions this session reads now, and how many records lie before it there.
  virtual std::vector<TopicPartition> assignment() const = 0;
  virtual std::int64_t lag() const = 0;
  virtual Offsets positions() const = 0;  // of the next record of each partition

  // Makes a poll() that waits return now. Any thread.
  virtual void wake() = 0;
};

// Reads partitions from given positions, without a group. Owned by one thread; wake() is free.
class LogReader {
 public:
  virtual ~LogReader() = default;
  virtual Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                           std::chrono::milliseconds wait) = 0;  // as LogSession
  virtual Offsets positions() const = 0;  // of the next record of each partition
  virtual std::int64_t lag() const = 0;   // records before it, as far as it knows without asking
  virtual void wake() = 0;
};

// Called once, on a thread of the log, when the records are stored (as TopicSpec::durable says) or
// have failed; must not block. Positions are in the order of the records.
using AppendHandler = std::function<void(Result<std::vector<Position>>)>;

// Appends records. Thread-safe.
class LogWriter {
 public:
  virtual ~LogWriter() = default;

  // The records of one call are stored in their order and, on the embedded log, atomically per
  // durability. `unavailable` at once, through the handler, when the queue of unfinished appends
  // is at its bound.
  virtual void append_async(std::vector<Record> records, AppendHandler done) = 0;

  // The same, waiting. Never on an Asio thread.
  Result<std::vector<Position>> append(std::vector<Record> records);
};

struct SessionOptions {
  std::string group;
  std::vector<std::string> topics;  // co-partitioned: partition N of each goes to one session
  bool exactly_once = true;         // false: at_least_once, for the question's way
  // Not null: several processes may read one partition, or none; this one reads what is chosen now,
  // from the group's offsets on. (The embedded log has one process, which reads all.)
  std::shared_ptr<const PartitionChoice> choice = nullptr;
};

// How far a group is in one partition.
struct GroupOffsets {
  std::optional<Offset> committed;  // empty: nothing yet
  Offset begin = 0;                 // first offset still kept
  Offset end = 0;                   // of the next record
  // What it has before it. On Kafka the marks that transactions leave count as records: an idle
  // partition that is written in transactions has one left over.
  Offset lag() const;
};

// A log with its topics: the embedded one, or Kafka. Thread-safe. Outlives what it opened.
class Log {
 public:
  virtual ~Log() = default;

  // Makes the topics that are missing. `rejected` where one exists with other partitions.
  virtual Status create_topics(std::span<const TopicSpec> topics) = 0;

  // The names of those that there are, sorted.
  virtual Result<std::vector<std::string>> topics() const = 0;
  // Deletes topics with their records and what groups have committed there. One that is not there
  // is passed over. `rejected` where the embedded log has a session or reader on one; of Kafka,
  // whose readers find them gone, it is the caller's to know that nobody reads them.
  virtual Status delete_topics(std::span<const std::string> names) = 0;

  virtual Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) = 0;
  virtual Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) = 0;
  virtual std::unique_ptr<LogWriter> open_writer() = 0;

  virtual Result<std::int32_t> partitions(std::string_view topic) const = 0;
  // First offset still kept, and the offset the next record will get. A reader that stands at the
  // end, as it is told after the reader's last poll, has seen of each key the record that was
  // there when it began or one that superseded it.
  virtual Result<Offset> begin_offset(const TopicPartition& partition) const = 0;
  virtual Result<Offset> end_offset(const TopicPartition& partition) const = 0;
  // What `group` has committed for the partition; empty when nothing yet.
  virtual Result<std::optional<Offset>> committed(std::string_view group,
                                                  const TopicPartition& partition) const = 0;
  // The same of many partitions with their bounds, for metrics, in a few requests. Waits for no
  // commit that goes on.
  virtual Result<std::map<TopicPartition, GroupOffsets>> group_offsets(
      std::string_view group, std::span<const TopicPartition> partitions) const;
  // One record, with its segments joined; empty when it is not there any more.
  virtual Result<std::optional<Record>> read_at(const Position& position) const = 0;

  // Removes what stands before these offsets, of topics that are kept by time.
  virtual Status trim(const Offsets& before) = 0;

  // Makes what was superseded, trimmed or deleted leave the disk too. begin_purge() takes note of
  // how much that is now, of these topics; purge() is true once no byte of it is left there, and
  // until then wants to be called again. The embedded log does it, of all topics, and takes its
  // time; Kafka's brokers do when they compact. Both block: not on an Asio thread.
  virtual Result<Offsets> begin_purge(std::span<const std::string> topics) = 0;
  virtual Result<bool> purge(const Offsets& begun) = 0;
};

// The part of a key before its first '\0': what a record is about. Records about the same stay in
// one partition and share a table's row, while compaction goes by the whole key.
std::string_view partition_key(std::string_view key);

// The partition of a key: murmur2 of partition_key(), as Kafka's default partitioner.
std::int32_t partition_for(std::string_view key, std::int32_t partitions);

// [begin of every partition of the topics] or [end of every partition].
Result<Offsets> begin_offsets(const Log& log, std::span<const std::string> topics);
Result<Offsets> end_offsets(const Log& log, std::span<const std::string> topics);
Result<Offsets> end_offsets(const Log& log, std::string_view topic);

}  // namespace millrace
