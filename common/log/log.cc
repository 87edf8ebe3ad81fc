#include "common/log/log.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <future>
#include <utility>

namespace millrace {

namespace {

// Kafka's murmur2 (org.apache.kafka.common.utils.Utils), so that a key falls into the same
// partition whichever log and whichever client writes it.
std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t kSeed = 0x9747b28cU;
  constexpr std::uint32_t kMultiplier = 0x5bd1e995U;
  constexpr unsigned kShift = 24;
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };

  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(bytes.size());
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t word = at(i) | at(i + 1) << 8U | at(i + 2) << 16U | at(i + 3) << 24U;
    word *= kMultiplier;
    word ^= word >> kShift;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  const std::size_t rest = bytes.size() - i;
  if (rest > 2) hash ^= at(i + 2) << 16U;
  if (rest > 1) hash ^= at(i + 1) << 8U;
  if (rest > 0) hash = (hash ^ at(i)) * kMultiplier;
  hash ^= hash >> 13U;
  hash *= kMultiplier;
  hash ^= hash >> 15U;
  return hash;
}

using OffsetOf = Result<Offset> (Log::*)(const TopicPartition&) const;

Result<Offsets> offsets_of(const Log& log, std::span<const std::string> topics, OffsetOf ask) {
  Offsets all;
  for (const std::string& topic : topics) {
    const auto count = log.partitions(topic);
    if (!count) return count.error();
    for (std::int32_t partition = 0; partition < *count; ++partition) {
      TopicPartition source{topic, partition};
      const auto offset = (log.*ask)(source);
      if (!offset) return offset.error();
      all.emplace(std::move(source), *offset);
    }
  }
  return all;
}

}  // namespace

std::string_view partition_key(std::string_view key) { return key.substr(0, key.find('\0')); }

std::int32_t partition_for(std::string_view key, std::int32_t partitions) {
  assert(partitions > 0);
  const std::uint32_t positive = murmur2(partition_key(key)) & 0x7fffffffU;
  return static_cast<std::int32_t>(positive % static_cast<std::uint32_t>(partitions));
}

Result<Offsets> begin_offsets(const Log& log, std::span<const std::string> topics) {
  return offsets_of(log, topics, &Log::begin_offset);
}

Result<Offsets> end_offsets(const Log& log, std::span<const std::string> topics) {
  return offsets_of(log, topics, &Log::end_offset);
}

Result<Offsets> end_offsets(const Log& log, std::string_view topic) {
  const std::string name{topic};
  return end_offsets(log, std::span{&name, 1});
}

Offset GroupOffsets::lag() const {
  return std::max<Offset>(end - std::max(committed.value_or(begin), begin), 0);
}

Result<std::map<TopicPartition, GroupOffsets>> Log::group_offsets(
    std::string_view group, std::span<const TopicPartition> partitions) const {
  std::map<TopicPartition, GroupOffsets> all;
  for (const TopicPartition& each : partitions) {
    const auto stored = committed(group, each);
    if (!stored) return stored.error();
    const auto begin = begin_offset(each);
    if (!begin) return begin.error();
    const auto end = end_offset(each);
    if (!end) return end.error();
    all.emplace(each, GroupOffsets{*stored, *begin, *end});
  }
  return all;
}

Result<std::vector<Position>> LogWriter::append(std::vector<Record> records) {
  std::promise<Result<std::vector<Position>>> outcome;
  auto stored = outcome.get_future();
  append_async(std::move(records), [&outcome](Result<std::vector<Position>> positions) {
    outcome.set_value(std::move(positions));
  });
  return stored.get();
}

}  // namespace millrace
