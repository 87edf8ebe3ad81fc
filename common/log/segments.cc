#include "common/log/segments.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <utility>

#include "common/ids.h"
#include "common/log/segmented.h"

namespace millrace {

namespace {

constexpr std::string_view kPart = "part";
constexpr std::size_t kSegmentsMax = kRecordBytesMax / kSegmentBytes;  // earlier ones of a record
// One append of earlier segments: other records go between two of them.
constexpr std::size_t kSegmentsPerAppend = 8;

void remove_header(Record& record, std::string_view name) {
  std::erase_if(record.headers, [&](const Header& each) { return each.name == name; });
}

std::string segment_key(std::string_view key, std::string_view set, std::size_t number) {
  std::string made{key};
  made.push_back('\0');
  made.append(set).push_back('\0');
  return made.append(std::to_string(number));
}

// Takes all but the last segment off the record's value.
std::vector<Record> take_earlier_segments(Record& record) {
  const std::string set = new_ulid(system_clock());
  const std::size_t count = (record.value.size() - 1) / kSegmentBytes;
  std::vector<Record> earlier(count);
  for (std::size_t i = 0; i < count; ++i) {
    earlier[i].topic = record.topic;
    earlier[i].partition = record.partition;
    earlier[i].key = segment_key(record.key, set, i);
    earlier[i].value = record.value.substr(i * kSegmentBytes, kSegmentBytes);
    earlier[i].headers.push_back({std::string{headers::kSegments}, std::string{kPart}});
  }
  record.value = record.value.substr(count * kSegmentBytes);  // a new string: frees the large one
  return earlier;
}

// The records of one append while their earlier segments are being stored.
class SegmentsBeingStored {
 public:
  SegmentsBeingStored(std::vector<Record> records, SegmentsHandler done)
      : records_(std::move(records)), done_(std::move(done)), listed_(records_.size()) {}

  struct Group {
    std::size_t record = 0;  // whose segments
    std::size_t first = 0;   // number of the first
    std::vector<Record> segments;
  };

  std::vector<Group> split() {
    std::vector<Group> groups;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      remove_header(records_[i], headers::kSegments);
      if (records_[i].value.size() <= kSegmentBytes) continue;
      std::vector<Record> earlier = take_earlier_segments(records_[i]);
      listed_[i].resize(earlier.size());
      for (std::size_t first = 0; first < earlier.size(); first += kSegmentsPerAppend) {
        const auto begin = earlier.begin() + static_cast<std::ptrdiff_t>(first);
        const auto count = std::min(kSegmentsPerAppend, earlier.size() - first);
        groups.push_back({i,
                          first,
                          {std::make_move_iterator(begin),
                           std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count))}});
      }
    }
    waiting_ = groups.size();
    return groups;
  }

  void stored(std::size_t record, std::size_t first,
              const Result<std::vector<Position>>& positions) {
    {
      const std::lock_guard lock{mutex_};
      if (!positions) {
        failure_ = positions.error();
      } else {
        for (std::size_t i = 0; i < positions->size(); ++i) {
          listed_[record][first + i] = (*positions)[i].offset;
        }
        records_[record].partition = positions->front().source.partition;
      }
      if (--waiting_ > 0) return;
    }
    finish();
  }

  void finish() {
    if (failure_) return done_(with_context("store the segments of a large record", *failure_));
    for (std::size_t i = 0; i < records_.size(); ++i) {
      std::string list;
      for (const Offset each : listed_[i]) {
        if (!list.empty()) list.push_back(',');
        list.append(std::to_string(each));
      }
      if (!list.empty()) records_[i].set_header(headers::kSegments, std::move(list));
    }
    done_(std::move(records_));
  }

 private:
  std::vector<Record> records_;
  const SegmentsHandler done_;
  std::mutex mutex_;
  std::vector<std::vector<Offset>> listed_;  // of each record
  std::optional<Error> failure_;
  std::size_t waiting_ = 0;
};

bool is_segment_of(const Record& segment, const Record& last, std::size_t number) {
  if (!is_earlier_segment(segment) || !segment.key.starts_with(last.key)) return false;
  std::string_view rest{segment.key};
  rest.remove_prefix(last.key.size());
  return rest.starts_with('\0') && rest.ends_with('\0' + std::to_string(number));
}

}  // namespace

std::vector<Offset> segment_offsets(const Record& record) {
  std::string_view list = record.header(headers::kSegments);
  std::vector<Offset> offsets;
  while (!list.empty()) {
    const std::string_view each = list.substr(0, list.find(','));
    Offset offset = -1;
    const auto [end, failure] = std::from_chars(each.data(), each.data() + each.size(), offset);
    const bool valid = failure == std::errc{} && end == each.data() + each.size() && offset >= 0;
    if (!valid || offsets.size() == kSegmentsMax) return {};
    offsets.push_back(offset);
    list.remove_prefix(std::min(list.size(), each.size() + 1));
  }
  return offsets;
}

bool is_earlier_segment(const Record& record) { return record.header(headers::kSegments) == kPart; }

bool needs_segments(const Record& record) {
  return record.value.size() > kSegmentBytes || !record.header(headers::kSegments).empty();
}

void store_segments(const std::shared_ptr<LogWriter>& writer, std::vector<Record> records,
                    SegmentsHandler done) {
  for (const Record& each : records) {
    if (each.bytes() <= kRecordBytesMax) continue;
    return done(rejected("append to " + each.topic + ": a record of " +
                         std::to_string(each.bytes()) + " bytes, the limit is " +
                         std::to_string(kRecordBytesMax)));
  }
  const auto state = std::make_shared<SegmentsBeingStored>(std::move(records), std::move(done));
  auto groups = state->split();
  if (groups.empty()) return state->finish();
  for (auto& group : groups) {
    writer->append_async(std::move(group.segments),
                         [state, record = group.record,
                          first = group.first](const Result<std::vector<Position>>& positions) {
                           state->stored(record, first, positions);
                         });
  }
}

std::size_t joined_bytes_max(const Record& record) {
  return record.bytes() + segment_offsets(record).size() * kSegmentBytes;
}

Result<std::optional<Record>> join_segments(const Log& base, const Record& last) {
  const std::vector<Offset> offsets = segment_offsets(last);
  if (offsets.empty()) return std::optional<Record>{last};
  Record joined = last;
  remove_header(joined, headers::kSegments);
  joined.value.clear();
  joined.value.reserve(joined_bytes_max(last));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const auto segment = base.read_at({{last.topic, last.partition}, offsets[i]});
    if (!segment) return segment.error();
    if (!*segment || !is_segment_of(**segment, last, i)) return std::optional<Record>{};
    joined.value.append((*segment)->value);
  }
  joined.value.append(last.value);
  return std::optional<Record>{std::move(joined)};
}

}  // namespace millrace
