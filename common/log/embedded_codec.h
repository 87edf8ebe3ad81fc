#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"

namespace millrace {

// How the embedded log lays its rows out in RocksDB. Numbers are big-endian, so that keys sort by
// value. The README has the grammar.

// A partition inside one lane: topics have a number there.
struct PartitionId {
  std::uint32_t topic = 0;
  std::int32_t partition = 0;
  auto operator<=>(const PartitionId&) const = default;
};

// Column family `records`: one row per record.
std::string record_row(PartitionId id, Offset offset);
struct RecordRow {
  PartitionId id;
  Offset offset = 0;
};
std::optional<RecordRow> parse_record_row(std::string_view row);

// A record's stored bytes are its head followed by its value, which is never copied to encode it.
std::string encode_record_head(const Record& record, Clock::Wall timestamp);
// Fills key, value, tombstone, headers and timestamp. False: these are not the bytes of a record.
bool decode_record(std::string_view stored, Record& record);
std::optional<Clock::Wall> decode_timestamp(std::string_view stored);

// Column family `keys`: the newest record of each key of a compacted topic, and what goes with it.
struct KeyEntry {
  Offset offset = 0;
  std::vector<Offset> segments;  // its earlier segments
};
std::string key_row(PartitionId id, std::string_view key);
std::string encode_key_entry(const KeyEntry& entry);
std::optional<KeyEntry> decode_key_entry(std::string_view stored);

// Column family `meta`: everything else; the first byte of a row says what it is.
namespace meta {
inline constexpr char kTopic = 'T';      // name -> number, settings
inline constexpr char kGroup = 'G';      // group, topic, partition -> committed offset
inline constexpr char kNext = 'N';       // partition -> the offset its next record gets
inline constexpr char kBegin = 'B';      // partition -> first offset kept (topics kept by time)
inline constexpr char kTombstone = 'D';  // time, partition, offset -> row in `keys`
inline constexpr char kSegment = 'S';  // partition, offset of a segment no record lists yet -> time
inline constexpr char kRemoved = 'R';  // partition, offset -> end of what was removed from there
inline constexpr char kLastTopic = 'L';  // -> the highest number that a topic ever had
}  // namespace meta

std::string topic_row(std::string_view name);
struct StoredTopic {
  std::uint32_t id = 0;
  TopicSpec spec;
};
std::string encode_topic(const StoredTopic& topic);
std::optional<StoredTopic> decode_topic(std::string_view row, std::string_view stored);

std::string last_topic_row();
std::string encode_topic_number(std::uint32_t number);
std::optional<std::uint32_t> decode_topic_number(std::string_view stored);

struct GroupOffset {
  std::string group;
  TopicPartition partition;
  Offset offset = 0;
};
std::string group_row(std::string_view group, const TopicPartition& partition);
std::optional<GroupOffset> decode_group_offset(std::string_view row, std::string_view stored);

std::string next_row(PartitionId id);
std::string begin_row(PartitionId id);
std::string encode_offset(Offset offset);
std::optional<Offset> decode_offset(std::string_view stored);

std::string tombstone_row(Clock::Wall written, PartitionId id, Offset offset);
struct TombstoneRow {
  Clock::Wall written;
  RecordRow record;
};
std::optional<TombstoneRow> parse_tombstone_row(std::string_view row);

std::string segment_row(PartitionId id, Offset offset);
std::optional<RecordRow> parse_segment_row(std::string_view row);
// What was removed from `records` and may still be on the disk.
std::string removed_row(PartitionId id, Offset from);
std::optional<RecordRow> parse_removed_row(std::string_view row);

std::string encode_time(Clock::Wall time);
std::optional<Clock::Wall> decode_time(std::string_view stored);

}  // namespace millrace
