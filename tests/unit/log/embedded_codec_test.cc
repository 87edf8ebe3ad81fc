#include "common/log/embedded_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::string_literals;

Clock::Wall at(std::int64_t milliseconds) {
  return Clock::Wall{std::chrono::milliseconds{milliseconds}};
}

TEST(EmbeddedCodec, rows_of_records_sort_by_topic_partition_and_offset) {
  const std::vector<std::string> sorted{
      record_row({1, 0}, 0),   record_row({1, 0}, 255),
      record_row({1, 0}, 256), record_row({1, 0}, std::numeric_limits<Offset>::max()),
      record_row({1, 1}, 0),   record_row({2, 0}, 0),
      record_row({256, 0}, 0)};
  EXPECT_TRUE(std::ranges::is_sorted(sorted));
  const auto parsed = parse_record_row(record_row({7, 3}, 1'234'567'890'123));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, (PartitionId{7, 3}));
  EXPECT_EQ(parsed->offset, 1'234'567'890'123);
}

TEST(EmbeddedCodec, a_record_cut_off_anywhere_in_its_head_is_no_record) {
  Record record;
  record.key = "key";
  record.headers = {{"name", "value"}, {"", ""}};
  record.tombstone = true;
  const std::string head = encode_record_head(record, at(1'700'000'000'123));
  Record decoded;
  ASSERT_TRUE(decode_record(head + "rest", decoded));
  EXPECT_EQ(decoded.key, record.key);
  EXPECT_EQ(decoded.headers, record.headers);
  EXPECT_EQ(decoded.value, "rest");
  EXPECT_TRUE(decoded.tombstone);
  EXPECT_EQ(decoded.timestamp, at(1'700'000'000'123));
  for (std::size_t size = 0; size < head.size(); ++size) {
    EXPECT_FALSE(decode_record(head.substr(0, size), decoded)) << size;
  }
}

TEST(EmbeddedCodec, refuses_a_record_of_another_version_or_with_lengths_past_its_end) {
  Record decoded;
  EXPECT_FALSE(decode_record("", decoded));
  EXPECT_FALSE(decode_record("\x02"s + std::string(40, '\0'), decoded));
  EXPECT_FALSE(decode_record("\x01\x00"s + std::string(8, '\0') + "\xff\xff\xff\xffkey", decoded));
  const std::string many =
      "\x01\x00"s + std::string(8, '\0') + std::string(4, '\0') + "\xff\xff\xff\xff";
  EXPECT_FALSE(decode_record(many, decoded));
}

TEST(EmbeddedCodec, groups_and_topics_come_back) {
  const GroupOffset committed{"group", {"topic", 3}, 42};
  const auto offset =
      decode_group_offset(group_row("group", committed.partition), encode_offset(42));
  ASSERT_TRUE(offset);
  EXPECT_EQ(offset->group, "group");
  EXPECT_EQ(offset->partition, committed.partition);
  EXPECT_EQ(offset->offset, 42);
  EXPECT_FALSE(decode_group_offset("Ggroup", encode_offset(42)));
  EXPECT_FALSE(decode_group_offset(group_row("group", committed.partition), "short"));

  const StoredTopic topic{9, {"name", 4, true, std::chrono::milliseconds{77}, false, true}};
  const auto decoded = decode_topic(topic_row("name"), encode_topic(topic));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->id, 9U);
  EXPECT_EQ(decoded->spec.name, "name");
  EXPECT_EQ(decoded->spec.partitions, 4);
  EXPECT_TRUE(decoded->spec.compacted);
  EXPECT_FALSE(decoded->spec.durable);
  EXPECT_TRUE(decoded->spec.expires);
  EXPECT_EQ(decoded->spec.retention.count(), 77);
  EXPECT_FALSE(decode_topic(topic_row("name"), encode_topic(topic) + "x"));
}

TEST(EmbeddedCodec, keys_keep_their_records_and_segments) {
  const auto entry = decode_key_entry(encode_key_entry({5, {1, 2, 3}}));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->offset, 5);
  EXPECT_EQ(entry->segments, (std::vector<Offset>{1, 2, 3}));
  EXPECT_FALSE(decode_key_entry(encode_key_entry({5, {1}}).substr(0, 12)));
  EXPECT_FALSE(decode_key_entry(""));
}

TEST(EmbeddedCodec, tombstones_sort_by_time) {
  EXPECT_LT(tombstone_row(at(1), {9, 9}, 9), tombstone_row(at(2), {1, 1}, 1));
  const auto row = parse_tombstone_row(tombstone_row(at(5), {1, 2}, 3));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->written, at(5));
  EXPECT_EQ(row->record.id, (PartitionId{1, 2}));
  EXPECT_EQ(row->record.offset, 3);
  EXPECT_FALSE(parse_tombstone_row("D"));
}

}  // namespace
}  // namespace millrace
