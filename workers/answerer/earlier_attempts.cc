#include "workers/answerer/earlier_attempts.h"

#include <algorithm>
#include <utility>

#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kPollRecords = 4'096;
constexpr std::size_t kPollBytes = 8U << 20U;
constexpr std::chrono::milliseconds kPollWait{100};

// False once nothing after it can matter.
bool note(const Record& record, const std::string& query_id, EarlierAttempts& found) {
  if (record.key != query_id) return true;
  Result<AnswerEvent> event = answer_event_from(record);
  if (!event || event->query_id != query_id) return true;
  found.attempts = std::max(found.attempts, event->attempt);
  if (!event->last) return true;
  found.finished = true;
  found.last = std::move(*event);
  return false;
}

struct Range {
  TopicPartition partition;
  Offset begin = 0;
  Offset end = 0;
};

Result<Range> answers_of(const Log& log, const std::string& query_id) {
  const auto partitions = log.partitions(topics::kAnswers);
  if (!partitions) return partitions.error();
  Range range{{std::string{topics::kAnswers}, partition_for(query_id, *partitions)}, 0, 0};
  const auto begin = log.begin_offset(range.partition);
  if (!begin) return begin.error();
  const auto end = log.end_offset(range.partition);
  if (!end) return end.error();
  range.begin = std::max(*begin, answers_from(query_id));
  range.end = *end;
  return range;
}

}  // namespace

Result<EarlierAttempts> find_earlier_attempts(Log& log, const Clock& clock,
                                              const std::string& query_id) {
  EarlierAttempts found;
  const auto range = answers_of(log, query_id);
  if (!range) return with_context("look for earlier answers", range.error());
  if (range->begin >= range->end) return found;
  auto reader = log.open_reader({{range->partition, range->begin}});
  if (!reader) return with_context("look for earlier answers", reader.error());
  const auto deadline = clock.now() + kEarlierTimeout;
  std::size_t seen = 0;
  while (true) {
    const Offsets positions = (*reader)->positions();
    const auto position = positions.find(range->partition);
    if (position != positions.end() && position->second >= range->end) return found;
    if (seen >= kEarlierRecordsMax || clock.now() >= deadline) {
      found.whole = false;
      return found;
    }
    auto records = (*reader)->poll(kPollRecords, kPollBytes, kPollWait);
    if (!records) return with_context("look for earlier answers", records.error());
    seen += records->size();
    for (const Record& record : *records) {
      if (!note(record, query_id, found)) return found;
    }
  }
}

}  // namespace millrace
