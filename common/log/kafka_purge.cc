#include "common/log/kafka_purge.h"

#include <map>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log/kafka_admin.h"
#include "common/log/segmented.h"

namespace millrace {
namespace {

constexpr std::size_t kPollRecords = 1'000;
constexpr std::size_t kPollBytes = 8U << 20U;
constexpr std::chrono::milliseconds kPollWait{1'000};
constexpr std::chrono::hours kUnlistedSegmentAge{24};  // as the sweeper and the embedded log do

// Has the form of an earlier segment's, so that the sweeper passes over it as well.
std::string mark_key() {
  using namespace std::string_literals;
  return "purge\0"s + new_ulid(system_clock()) + "\0000"s;
}

// Segments of a partition, and what its records need of them.
class SeenSegments {
 public:
  void add(const Record& record) {
    if (!is_earlier_segment(record)) {
      const std::vector<Offset> listed = segment_offsets(record);
      records_.insert_or_assign(record.key, Needed{record.offset, {listed.begin(), listed.end()}});
    } else if (record.tombstone) {
      segments_.erase(record.key);
    } else {
      segments_.insert_or_assign(record.key, Segment{record.offset, record.timestamp});
    }
  }
  // Those of records that were superseded, and those older than that of which no record came.
  std::vector<std::string> superseded(Clock::Wall unlisted_before) const {
    std::vector<std::string> keys;
    for (const auto& [key, segment] : segments_) {
      const auto record = records_.find(record_key(key));
      const bool is_over = record == records_.end()
                               ? segment.at < unlisted_before
                               : segment.offset < record->second.offset &&
                                     !record->second.segments.contains(segment.offset);
      if (is_over) keys.push_back(key);
    }
    return keys;
  }

 private:
  struct Segment {
    Offset offset = 0;
    Clock::Wall at{};
  };
  struct Needed {
    Offset offset = 0;
    std::set<Offset> segments;
  };
  // KEY of KEY NUL SET NUL N.
  static std::string record_key(const std::string& key) {
    const std::size_t number = key.rfind('\0');
    if (number == std::string::npos || number == 0) return {};
    const std::size_t set = key.rfind('\0', number - 1);
    return set == std::string::npos ? std::string{} : key.substr(0, set);
  }

  std::map<std::string, Segment> segments_;
  std::map<std::string, Needed> records_;  // the newest of each key
};

Record mark(const TopicPartition& partition, const std::string& key) {
  Record record;
  record.topic = partition.topic;
  record.partition = partition.partition;
  record.key = key;
  record.tombstone = true;
  record.set_header(headers::kSegments, "part");
  return record;
}

}  // namespace

KafkaPurge::KafkaPurge(const KafkaClient& client, Log& log)
    : client_{client}, log_{log}, key_{mark_key()} {}

Result<std::vector<Position>> KafkaPurge::write_marks(
    LogWriter& writer, const std::set<TopicPartition>& partitions) const {
  std::vector<Record> marks;
  for (const TopicPartition& each : partitions) marks.push_back(mark(each, key_));
  if (marks.empty()) return std::vector<Position>{};
  return writer.append(std::move(marks));
}

Status KafkaPurge::trim(rd_kafka_t* handle, LogWriter& writer, const Offsets& before) {
  if (before.empty()) return {};
  const Kafka<rd_kafka_topic_partition_list_t> list{
      rd_kafka_topic_partition_list_new(static_cast<int>(before.size()))};
  std::set<TopicPartition> trimmed;
  for (const auto& [partition, offset] : before) {
    const std::string name = client_.outside(partition.topic);
    rd_kafka_topic_partition_list_add(list.get(), name.c_str(), partition.partition)->offset =
        offset;
    trimmed.insert(partition);
  }
  const std::string doing = "trim topics";
  const Kafka<rd_kafka_DeleteRecords_t> request{rd_kafka_DeleteRecords_new(list.get())};
  const auto event =
      kafka_admin(handle, doing, RD_KAFKA_ADMIN_OP_DELETERECORDS, client_.timeout_ms(),
                  [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                    rd_kafka_DeleteRecords_t* one[] = {request.get()};
                    rd_kafka_DeleteRecords(handle, one, 1, options, queue);
                  });
  if (!event) return event.error();
  const rd_kafka_topic_partition_list_t* answers =
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event->get()));
  for (int i = 0; i < answers->cnt; ++i) {
    const auto code = answers->elems[i].err;
    const bool gone = code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
                      code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;  // so are the records
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && !gone) {
      return kafka_error(doing + ": " + answers->elems[i].topic, code);
    }
  }
  if (const auto written = write_marks(writer, trimmed); !written) return written.error();
  const std::lock_guard lock{mutex_};
  trimmed_.merge(trimmed);
  return {};
}

Status KafkaPurge::sweep(LogWriter& writer, const TopicPartition& partition) const {
  const auto begin = log_.begin_offset(partition);
  const auto end = log_.end_offset(partition);
  if (!begin) return begin.error();
  if (!end) return end.error();
  const auto reader = log_.open_reader({{partition, *begin}});
  if (!reader) return reader.error();
  SeenSegments segments;
  while ((*reader)->positions().at(partition) < *end) {
    const auto records = (*reader)->poll(kPollRecords, kPollBytes, kPollWait);
    if (!records) return records.error();
    for (const Record& each : *records) segments.add(each);
  }
  std::vector<Record> tombstones;
  const Clock::Wall unlisted_before = client_.clock().wall_now() - kUnlistedSegmentAge;
  for (const std::string& key : segments.superseded(unlisted_before)) {
    tombstones.push_back(mark(partition, key));
  }
  if (tombstones.empty()) return {};
  const auto written = writer.append(std::move(tombstones));
  return written ? Status{} : Status{written.error()};
}

Result<Offsets> KafkaPurge::begin(LogWriter& writer, std::span<const std::string> topics) {
  std::set<TopicPartition> partitions;
  for (const std::string& topic : topics) {
    const auto count = log_.partitions(topic);
    if (!count) return count.error();
    for (std::int32_t i = 0; i < *count; ++i) partitions.insert({topic, i});
    if (*count > 1) continue;
    if (Status swept = sweep(writer, {topic, 0}); !swept) return swept.error();
  }
  const auto written = write_marks(writer, partitions);
  if (!written) return written.error();
  Offsets marks;
  for (const Position& each : *written) marks[each.source] = each.offset;
  return marks;
}

Result<bool> KafkaPurge::done(LogWriter& writer, const Offsets& marks) {
  std::set<TopicPartition> left;
  for (const auto& [partition, offset] : marks) {
    const auto record = log_.read_at({partition, offset});
    if (!record) return record.error();
    if (*record) left.insert(partition);
  }
  std::set<TopicPartition> marked = left;
  {
    const std::lock_guard lock{mutex_};
    marked.insert(trimmed_.begin(), trimmed_.end());
    if (left.empty()) trimmed_.clear();
  }
  const auto written = write_marks(writer, marked);
  if (!written) return written.error();
  return left.empty();
}

}  // namespace millrace
