#include "common/log/embedded_route.h"

#include <map>
#include <memory>
#include <utility>

#include "common/log/segmented.h"

namespace millrace {

namespace {

Result<RoutedRecord> route_one(const TopicTable& topics, const Record& record) {
  TopicState* topic = topics.find(record.topic);
  if (topic == nullptr) return rejected("append to " + record.topic + ": there is no such topic");
  if (topic->compacted() && record.key.empty()) {
    return rejected("append to " + record.topic + ": a compacted topic needs a key");
  }
  if (record.tombstone && !record.value.empty()) {
    return rejected("append to " + record.topic + ": a tombstone has no value");
  }
  if (record.bytes() > kRecordBytesMax) {
    return rejected("append to " + record.topic + ": a record of " +
                    std::to_string(record.bytes()) + " bytes, the limit is " +
                    std::to_string(kRecordBytesMax));
  }
  const std::int32_t partition = record.partition == -1
                                     ? partition_for(record.key, topic->spec().partitions)
                                     : record.partition;
  if (!topic->has(partition)) {
    return rejected("append to " + record.topic + ":" + std::to_string(partition) +
                    ": the topic has " + std::to_string(topic->spec().partitions) + " partitions");
  }
  return RoutedRecord{topic, partition, &record};
}

// An append to both lanes: answered when both have answered.
class SplitAppend {
 public:
  SplitAppend(std::vector<Record> records, AppendHandler done)
      : records_(std::move(records)), done_(std::move(done)), positions_(records_.size()) {}

  const std::vector<Record>& records() const { return records_; }

  void finish(const std::vector<std::size_t>& places, Result<std::vector<Position>> stored) {
    {
      const std::lock_guard lock{mutex_};
      if (!stored) {
        failure_ = stored.error();
      } else {
        for (std::size_t i = 0; i < places.size(); ++i) {
          positions_[places[i]] = std::move((*stored)[i]);
        }
      }
      if (--waiting_ > 0) return;
    }
    if (failure_) {
      done_(*failure_);
    } else {
      done_(std::move(positions_));
    }
  }

 private:
  const std::vector<Record> records_;
  const AppendHandler done_;
  std::mutex mutex_;
  std::vector<Position> positions_;
  std::optional<Error> failure_;
  int waiting_ = 2;
};

void append_to_both(LaneRequest own, LaneRequest other, EmbeddedLane& first, EmbeddedLane& second,
                    const std::shared_ptr<SplitAppend>& split) {
  const Record* base = split->records().data();
  for (auto [request, lane] : {std::pair{&own, &first}, std::pair{&other, &second}}) {
    std::vector<std::size_t> places;
    for (const RoutedRecord& each : request->records) {
      places.push_back(static_cast<std::size_t>(each.record - base));
    }
    request->done = [split, places](Result<std::vector<Position>> stored) {
      split->finish(places, std::move(stored));
    };
    lane->submit(std::move(*request));
  }
}

}  // namespace

Status route(const TopicTable& topics, std::span<const Record> records, const EmbeddedLane& home,
             LaneRequest& own, LaneRequest& other) {
  for (const Record& each : records) {
    const auto routed = route_one(topics, each);
    if (!routed) return routed.error();
    (&routed->topic->lane() == &home ? own : other).records.push_back(*routed);
  }
  return {};
}

void route_append(const TopicTable& topics, std::vector<Record> records, AppendHandler done) {
  if (records.empty()) return done(std::vector<Position>{});
  const auto first = route_one(topics, records.front());
  if (!first) return done(first.error());
  EmbeddedLane& home = first->topic->lane();
  LaneRequest own;
  LaneRequest other;
  if (const Status routed = route(topics, records, home, own, other); !routed) {
    return done(routed.error());
  }
  if (other.records.empty()) {
    own.owned = std::move(records);  // the elements stay where they are
    own.done = std::move(done);
    return home.submit(std::move(own));
  }
  EmbeddedLane& away = other.records.front().topic->lane();
  const auto split = std::make_shared<SplitAppend>(std::move(records), std::move(done));
  append_to_both(std::move(own), std::move(other), home, away, split);
}

Status route_trim(const TopicTable& topics, const Offsets& before) {
  std::map<EmbeddedLane*, LaneRequest> requests;
  for (const auto& [partition, offset] : before) {
    TopicState* topic = topics.find(partition.topic);
    if (topic == nullptr || !topic->has(partition.partition) || topic->compacted()) {
      return rejected("trim " + partition.topic + ":" + std::to_string(partition.partition) +
                      ": there is no such partition that is kept by time");
    }
    requests[&topic->lane()].trimmed[partition] = offset;
  }
  for (auto& [lane, request] : requests) {
    const auto trimmed = lane->submit_and_wait(std::move(request));
    if (!trimmed) return trimmed.error();
  }
  return {};
}

}  // namespace millrace
