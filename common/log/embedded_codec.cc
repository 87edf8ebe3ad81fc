#include "common/log/embedded_codec.h"

#include <utility>

namespace millrace {

namespace {

constexpr std::uint8_t kVersion = 1;  // of a stored record and of a stored topic
constexpr std::uint8_t kTombstoneFlag = 1;
constexpr std::uint8_t kCompactedFlag = 1;
constexpr std::uint8_t kDurableFlag = 2;
constexpr std::uint8_t kExpiresFlag = 4;

void put_u8(std::string& out, std::uint8_t number) { out.push_back(static_cast<char>(number)); }

void put_u32(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((number >> static_cast<unsigned>(shift)) & 0xffU));
  }
}

void put_i64(std::string& out, std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  put_u32(out, static_cast<std::uint32_t>(bits >> 32U));
  put_u32(out, static_cast<std::uint32_t>(bits & 0xffffffffU));
}

void put_text(std::string& out, std::string_view text) {
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

void put_id(std::string& out, PartitionId id) {
  put_u32(out, id.topic);
  put_u32(out, static_cast<std::uint32_t>(id.partition));
}

std::int64_t count_of(Clock::Wall time) { return time.time_since_epoch().count(); }

// Takes numbers and texts off the front. After one that is missing everything reads as zero and
// ok() is false.
class Bytes {
 public:
  explicit Bytes(std::string_view rest) : rest_(rest) {}

  std::string_view take(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char each : take(bytes)) value = value << 8U | static_cast<unsigned char>(each);
    return value;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::int64_t i64() { return static_cast<std::int64_t>(number(8)); }
  std::string_view text() { return take(u32()); }
  Clock::Wall time() { return Clock::Wall{std::chrono::milliseconds{i64()}}; }
  PartitionId id() {
    PartitionId id;
    id.topic = u32();
    id.partition = static_cast<std::int32_t>(u32());
    return id;
  }
  // Up to a NUL, which is taken too.
  std::string_view until_nul() {
    const std::string_view taken = take(rest_.find('\0'));  // npos is more than there is
    take(1);
    return taken;
  }
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::string meta_row(char kind, PartitionId id) {
  std::string row(1, kind);
  put_id(row, id);
  return row;
}

std::optional<RecordRow> take_record_row(Bytes& bytes) {
  RecordRow parsed;
  parsed.id = bytes.id();
  parsed.offset = bytes.i64();
  if (!bytes.done()) return std::nullopt;
  return parsed;
}

}  // namespace

std::string record_row(PartitionId id, Offset offset) {
  std::string row;
  put_id(row, id);
  put_i64(row, offset);
  return row;
}

std::optional<RecordRow> parse_record_row(std::string_view row) {
  Bytes bytes{row};
  return take_record_row(bytes);
}

std::string encode_record_head(const Record& record, Clock::Wall timestamp) {
  std::string head;
  head.reserve(32 + record.key.size() + 64 * record.headers.size());
  put_u8(head, kVersion);
  put_u8(head, record.tombstone ? kTombstoneFlag : 0);
  put_i64(head, count_of(timestamp));
  put_text(head, record.key);
  put_u32(head, static_cast<std::uint32_t>(record.headers.size()));
  for (const Header& each : record.headers) {
    put_text(head, each.name);
    put_text(head, each.value);
  }
  return head;
}

bool decode_record(std::string_view stored, Record& record) {
  Bytes bytes{stored};
  if (bytes.u8() != kVersion) return false;
  record.tombstone = (bytes.u8() & kTombstoneFlag) != 0;
  record.timestamp = bytes.time();
  record.key = bytes.text();
  const std::uint32_t count = bytes.u32();
  record.headers.clear();
  for (std::uint32_t i = 0; i < count && bytes.ok(); ++i) {
    const std::string_view name = bytes.text();
    record.headers.push_back({std::string{name}, std::string{bytes.text()}});
  }
  record.value = bytes.rest();
  return bytes.ok();
}

std::optional<Clock::Wall> decode_timestamp(std::string_view stored) {
  Bytes bytes{stored};
  if (bytes.u8() != kVersion) return std::nullopt;
  bytes.u8();
  const Clock::Wall time = bytes.time();
  if (!bytes.ok()) return std::nullopt;
  return time;
}

std::string key_row(PartitionId id, std::string_view key) {
  std::string row;
  put_id(row, id);
  row.append(key);
  return row;
}

std::string encode_key_entry(const KeyEntry& entry) {
  std::string stored;
  put_i64(stored, entry.offset);
  for (const Offset each : entry.segments) put_i64(stored, each);
  return stored;
}

std::optional<KeyEntry> decode_key_entry(std::string_view stored) {
  Bytes bytes{stored};
  KeyEntry entry;
  entry.offset = bytes.i64();
  while (!bytes.rest().empty()) entry.segments.push_back(bytes.i64());
  if (!bytes.ok()) return std::nullopt;
  return entry;
}

std::string topic_row(std::string_view name) { return std::string(1, meta::kTopic).append(name); }

std::string encode_topic(const StoredTopic& topic) {
  std::string stored;
  put_u8(stored, kVersion);
  put_u32(stored, topic.id);
  put_u32(stored, static_cast<std::uint32_t>(topic.spec.partitions));
  put_u8(stored, static_cast<std::uint8_t>((topic.spec.compacted ? kCompactedFlag : 0) |
                                           (topic.spec.durable ? kDurableFlag : 0) |
                                           (topic.spec.expires ? kExpiresFlag : 0)));
  put_i64(stored, topic.spec.retention.count());
  return stored;
}

std::optional<StoredTopic> decode_topic(std::string_view row, std::string_view stored) {
  Bytes bytes{stored};
  if (row.size() < 2 || bytes.u8() != kVersion) return std::nullopt;
  StoredTopic topic;
  topic.spec.name = row.substr(1);
  topic.id = bytes.u32();
  topic.spec.partitions = static_cast<std::int32_t>(bytes.u32());
  const std::uint8_t flags = bytes.u8();
  topic.spec.compacted = (flags & kCompactedFlag) != 0;
  topic.spec.durable = (flags & kDurableFlag) != 0;
  topic.spec.expires = (flags & kExpiresFlag) != 0;
  topic.spec.retention = std::chrono::milliseconds{bytes.i64()};
  if (!bytes.done() || topic.spec.partitions < 1) return std::nullopt;
  return topic;
}

std::string last_topic_row() { return std::string(1, meta::kLastTopic); }

std::string encode_topic_number(std::uint32_t number) {
  std::string stored;
  put_u32(stored, number);
  return stored;
}

std::optional<std::uint32_t> decode_topic_number(std::string_view stored) {
  Bytes bytes{stored};
  const std::uint32_t number = bytes.u32();
  if (!bytes.done()) return std::nullopt;
  return number;
}

std::string group_row(std::string_view group, const TopicPartition& partition) {
  std::string row(1, meta::kGroup);
  row.append(group).push_back('\0');
  row.append(partition.topic).push_back('\0');
  put_u32(row, static_cast<std::uint32_t>(partition.partition));
  return row;
}

std::optional<GroupOffset> decode_group_offset(std::string_view row, std::string_view stored) {
  Bytes bytes{row};
  bytes.u8();
  GroupOffset committed;
  committed.group = bytes.until_nul();
  committed.partition.topic = bytes.until_nul();
  committed.partition.partition = static_cast<std::int32_t>(bytes.u32());
  const auto offset = decode_offset(stored);
  if (!bytes.done() || !offset) return std::nullopt;
  committed.offset = *offset;
  return committed;
}

std::string next_row(PartitionId id) { return meta_row(meta::kNext, id); }
std::string begin_row(PartitionId id) { return meta_row(meta::kBegin, id); }

std::string encode_offset(Offset offset) {
  std::string stored;
  put_i64(stored, offset);
  return stored;
}

std::optional<Offset> decode_offset(std::string_view stored) {
  Bytes bytes{stored};
  const Offset offset = bytes.i64();
  if (!bytes.done() || offset < 0) return std::nullopt;
  return offset;
}

std::string tombstone_row(Clock::Wall written, PartitionId id, Offset offset) {
  std::string row(1, meta::kTombstone);
  put_i64(row, count_of(written));
  return row.append(record_row(id, offset));
}

std::optional<TombstoneRow> parse_tombstone_row(std::string_view row) {
  Bytes bytes{row};
  bytes.u8();
  const Clock::Wall written = bytes.time();
  const auto record = take_record_row(bytes);
  if (!record) return std::nullopt;
  return TombstoneRow{written, *record};
}

std::string segment_row(PartitionId id, Offset offset) {
  return std::string(1, meta::kSegment).append(record_row(id, offset));
}

std::optional<RecordRow> parse_segment_row(std::string_view row) {
  Bytes bytes{row};
  bytes.u8();
  return take_record_row(bytes);
}

std::string removed_row(PartitionId id, Offset from) {
  return std::string(1, meta::kRemoved).append(record_row(id, from));
}

std::optional<RecordRow> parse_removed_row(std::string_view row) { return parse_segment_row(row); }

std::string encode_time(Clock::Wall time) {
  std::string stored;
  put_i64(stored, count_of(time));
  return stored;
}

std::optional<Clock::Wall> decode_time(std::string_view stored) {
  Bytes bytes{stored};
  const Clock::Wall time = bytes.time();
  if (!bytes.done()) return std::nullopt;
  return time;
}

}  // namespace millrace
