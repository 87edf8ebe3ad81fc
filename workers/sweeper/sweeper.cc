#include "workers/sweeper/sweeper.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/log/segmented.h"

namespace millrace {
namespace {

// More than one, so that orphans cannot come faster than they go; few enough for one commit.
constexpr std::size_t kOrphansPerRecordMax = 64;

bool contains(const std::vector<Segment>& segments, const Segment& segment) {
  return std::ranges::find(segments, segment) != segments.end();
}

// Those that the record lists, that are of its key, and that nobody else has. A list never takes
// what belongs to another key. `before`: of the key's record so far, which may be the same one.
Result<std::vector<Segment>> claimed(const Record& record, const PartitionState& partition,
                                     const std::vector<Segment>& before) {
  std::vector<Segment> segments;
  if (record.tombstone) return segments;
  for (const Offset offset : segment_offsets(record)) {
    std::optional<Segment> segment;
    const auto own = std::ranges::find(before, offset, &Segment::offset);
    if (own != before.end()) {
      segment = *own;
    } else {
      auto unclaimed = partition.unclaimed(offset);
      if (!unclaimed) return unclaimed.error();
      segment = *std::move(unclaimed);
    }
    if (!segment || record_key_of(segment->key) != record.key) continue;
    if (!contains(segments, *segment)) segments.push_back(*std::move(segment));
  }
  return segments;
}

void add_tombstones(const Record& record, std::vector<Segment> segments, Outputs& outputs) {
  for (Segment& each : segments) {
    assert(record_key_of(each.key));
    Record& tombstone = outputs.emplace_back();
    tombstone.topic = record.topic;
    tombstone.partition = record.partition;
    tombstone.key = std::move(each.key);
    tombstone.tombstone = true;
    tombstone.set_header(headers::kSegments, "part");
    assert(is_earlier_segment(tombstone));
  }
}

}  // namespace

Sweeper::Sweeper(SweepState& state, SweeperOptions options, const Clock& clock,
                 MetricsRegistry& metrics)
    : state_{state},
      options_{std::move(options)},
      clock_{clock},
      swept_segments_{metrics.counter("log_swept_segments_total",
                                      "Tombstones for segments of superseded records and of "
                                      "uploads that never ended, those given again included")} {}

std::vector<Result<Outputs>> Sweeper::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  std::set<TopicPartition> begun;
  Status status;
  for (const Record& record : batch) {
    const TopicPartition source{record.topic, record.partition};
    PartitionState& partition = state_.partition(source);
    if (status && begun.insert(source).second) status = partition.begin(record.offset);
    if (status) {
      results.push_back(apply(record, partition));
      if (!results.back()) status = results.back().error();
    } else {
      results.emplace_back(status.error());
    }
  }
  return results;
}

// Everything is read before anything is changed, so that a record is applied whole or not at all.
Result<Outputs> Sweeper::apply(const Record& record, PartitionState& partition) {
  const Standing& before = partition.standing();
  if (record.offset < before.position) return Outputs{};
  const Clock::Wall time = std::max(before.time, std::min(record.timestamp, clock_.wall_now()));
  auto orphans = partition.orphans(time - options_.orphan_age, kOrphansPerRecordMax);
  if (!orphans) return orphans.error();
  Outputs outputs;
  if (!is_earlier_segment(record)) {
    auto superseded = partition.owned(record.key);
    if (!superseded) return superseded.error();
    const auto listed = claimed(record, partition, *superseded);
    if (!listed) return listed.error();
    for (const Segment& each : *listed) partition.remove_unclaimed(each.offset);
    if (*listed != *superseded) partition.own(record.key, *listed);
    const auto is_listed = [&](const Segment& each) { return contains(*listed, each); };
    std::erase_if(*superseded, is_listed);
    std::erase_if(*orphans, is_listed);
    add_tombstones(record, *std::move(superseded), outputs);
  } else if (!record.tombstone && record_key_of(record.key)) {
    // A key of another form may be that of a record, and is never given a tombstone.
    partition.add_unclaimed(time, {record.offset, record.key});
  }
  for (const Segment& each : *orphans) partition.remove_unclaimed(each.offset);
  add_tombstones(record, *std::move(orphans), outputs);
  partition.stand_at({record.offset + 1, time});
  swept_segments_.add(static_cast<double>(outputs.size()));
  return outputs;
}

Offsets Sweeper::restored() const {
  Offsets offsets = state_.durable();
  for (const TopicPartition& each : options_.partitions) offsets.try_emplace(each, 0);
  return offsets;
}

}  // namespace millrace
