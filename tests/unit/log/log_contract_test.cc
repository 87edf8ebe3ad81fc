#include <map>
#include <set>
#include <thread>

#include "log_contract_fixture.h"

// What every back-end of the log does. A behaviour that is not tested here does not exist.

namespace millrace {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

INSTANTIATE_TEST_SUITE_P(Backends, LogContract, testing::ValuesIn(log_factories()), factory_name);

TEST_P(LogContract, delivers_the_records_of_a_partition_in_the_order_they_were_appended) {
  std::vector<Record> records;
  for (int i = 0; i < 100; ++i) {
    records.push_back(make_record("events", "key" + std::to_string(i % 7), std::to_string(i)));
  }
  const auto positions = append(log(), records);
  const auto session = open_session(log(), "readers", {"events"});
  const auto read = take(*session, 100);
  std::map<std::int32_t, int> last;
  for (const Record& each : read) {
    const int number = std::stoi(each.value);
    EXPECT_EQ(each.position(), positions[static_cast<std::size_t>(number)]);
    EXPECT_GT(number, last.try_emplace(each.partition, -1).first->second);
    last[each.partition] = number;
  }
  EXPECT_GT(last.size(), 1U);
}

TEST_P(LogContract, chooses_the_partition_by_the_key_up_to_its_first_nul) {
  using namespace std::string_literals;
  for (int i = 0; i < 20; ++i) {
    const std::string id = "document-" + std::to_string(i);
    const auto plain = append(log(), {make_record("events", id, "a")});
    const auto longer = append(log(), {make_record("events", id + "\0batch"s, "b")});
    ASSERT_THAT(plain, SizeIs(1));
    ASSERT_THAT(longer, SizeIs(1));
    EXPECT_EQ(plain[0].source.partition, partition_for(id, kPartitions));
    EXPECT_EQ(longer[0].source.partition, plain[0].source.partition);
  }
}

TEST_P(LogContract, keeps_a_partition_that_is_already_set) {
  Record record = make_record("events", "key", "value");
  record.partition = (partition_for("key", kPartitions) + 1) % kPartitions;
  const auto positions = append(log(), {record});
  ASSERT_THAT(positions, SizeIs(1));
  EXPECT_EQ(positions[0].source.partition, record.partition);
}

TEST_P(LogContract, keeps_keys_values_and_headers_byte_for_byte) {
  using namespace std::string_literals;
  Record record = make_record("events", "k\0\xff\xfe\n"s, "v\0\x80"s);
  record.headers = {{"name", "\0\xff"s}, {"empty", ""}, {"name", "twice"}};
  const auto before = system_clock().wall_now() - std::chrono::hours{1};
  append(log(), {record, make_record("events", "", "no key"), make_record("events", "empty", "")});
  const auto session = open_session(log(), "readers", {"events"});
  std::map<std::string, Record> read;
  for (Record& each : take(*session, 3)) read.emplace(each.key, each);
  ASSERT_THAT(read, SizeIs(3));
  EXPECT_EQ(read[record.key].value, record.value);
  EXPECT_EQ(read[record.key].headers, record.headers);
  EXPECT_GT(read[record.key].timestamp, before);
  EXPECT_EQ(read[""].value, "no key");
  EXPECT_EQ(read["empty"].value, "");
  EXPECT_FALSE(read["empty"].tombstone);
}

TEST_P(LogContract, commit_stores_outputs_and_offsets_together) {
  append(log(), {make_record("events", "a", "1"), make_record("events", "b", "2")});
  const auto session = open_session(log(), "copier", {"events"});
  const auto read = take(*session, 2);
  const std::vector<Record> outputs{make_record("copies", "a", "x"),
                                    make_record("states", "b", "y")};
  ASSERT_TRUE(session->commit(outputs, consumed(read)));
  EXPECT_THAT(values(read_topic(log(), "copies")), ElementsAre("x"));
  EXPECT_THAT(values(read_topic(log(), "states")), ElementsAre("y"));
  for (const auto& [partition, offset] : consumed(read)) {
    EXPECT_EQ(*log().committed("copier", partition), offset);
  }
}

TEST_P(LogContract, a_commit_that_fails_stores_nothing) {
  append(log(), {make_record("events", "a", "1")});
  const auto session = open_session(log(), "copier", {"events"});
  const auto read = take(*session, 1);
  const std::vector<Record> outputs{make_record("copies", "a", "x"),
                                    make_record("no-such-topic", "a", "y")};
  EXPECT_FALSE(session->commit(outputs, consumed(read)));
  EXPECT_THAT(read_topic(log(), "copies"), IsEmpty());
  EXPECT_EQ(*log().committed("copier", read[0].position().source), std::nullopt);
  ASSERT_TRUE(session->rewind());
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("1"));
}

TEST_P(LogContract, a_commit_may_span_durable_and_other_topics) {
  append(log(), {make_record("events", "a", "1"), make_record("answers", "a", "2")});
  const auto session = open_session(log(), "mixed", {"events", "answers"});
  const auto read = take(*session, 2);
  const std::vector<Record> outputs{make_record("copies", "a", "x"),
                                    make_record("answers", "b", "y")};
  ASSERT_TRUE(session->commit(outputs, consumed(read)));
  for (const auto& [partition, offset] : consumed(read)) {
    EXPECT_EQ(*log().committed("mixed", partition), offset);
  }
  EXPECT_THAT(values(read_topic(log(), "copies")), ElementsAre("x"));
  EXPECT_THAT(values(read_topic(log(), "answers")), UnorderedElementsAre("2", "y"));
}

TEST_P(LogContract, commit_refuses_a_partition_that_is_not_assigned) {
  append(log(), {make_record("events", "a", "1"), make_record("copies", "a", "1")});
  const auto session = open_session(log(), "readers", {"events"});
  take(*session, 1);
  EXPECT_TRUE(failed_as(session->commit({}, {{{"copies", 0}, 0}}), Error::Kind::rejected));
}

TEST_P(LogContract, rewind_delivers_again_what_was_not_committed) {
  Record record = make_record("events", "a", "1");
  record.partition = 0;
  Record second = record;
  second.value = "2";
  append(log(), {record, second});
  const auto session = open_session(log(), "readers", {"events"});
  const auto first = take(*session, 1);
  ASSERT_TRUE(session->commit({}, consumed(first)));
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("2"));
  ASSERT_TRUE(session->rewind());
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("2"));
}

TEST_P(LogContract, a_session_goes_on_at_the_committed_offsets_when_the_log_is_opened_again) {
  for (const std::string topic : {"events", "answers"}) {
    for (int i = 0; i < 10; ++i) {
      append(log(), {make_record(topic, "key" + std::to_string(i), std::to_string(i))});
    }
  }
  std::vector<std::string> all;
  {
    const auto session = open_session(log(), "readers", {"events", "answers"});
    const auto read = take(*session, 8);
    ASSERT_TRUE(session->commit({}, consumed(read)));
    all = values(read);
  }
  reopen();
  const auto session = open_session(log(), "readers", {"events", "answers"});
  for (const Record& each : take(*session, 12)) all.push_back(each.value);
  std::ranges::sort(all);
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) expected.insert(expected.end(), 2, std::to_string(i));
  EXPECT_EQ(all, expected);
  EXPECT_EQ(session->lag(), 0);
}

TEST_P(LogContract, groups_read_independently_of_each_other) {
  append(log(), {make_record("events", "a", "1")});
  const auto one = open_session(log(), "one", {"events"});
  const auto other = open_session(log(), "other", {"events"});
  const auto read = take(*one, 1);
  ASSERT_TRUE(one->commit({}, consumed(read)));
  EXPECT_EQ(*log().committed("other", read[0].position().source), std::nullopt);
  EXPECT_THAT(values(take(*other, 1)), ElementsAre("1"));
}

TEST_P(LogContract, seek_says_where_reading_and_rewinding_go_on) {
  std::vector<Record> records;
  for (int i = 0; i < 6; ++i) {
    records.push_back(make_record("events", "a", std::to_string(i)));
    records.back().partition = 0;
  }
  append(log(), records);
  const auto session = open_session(log(), "readers", {"events"});
  ASSERT_TRUE(session->seek({{{"events", 0}, 4}, {{"copies", 0}, 99}}));
  EXPECT_THAT(values(take(*session, 2)), ElementsAre("4", "5"));
  ASSERT_TRUE(session->rewind());
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("4"));
  ASSERT_TRUE(session->commit({}, {{{"events", 0}, 5}}));
  ASSERT_TRUE(session->rewind());
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("5"));
  ASSERT_TRUE(session->seek({{{"events", 0}, 2}}));  // behind what is committed: state was lost
  ASSERT_TRUE(session->rewind());
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("2"));
}

TEST_P(LogContract, poll_keeps_to_its_bounds_and_always_gives_one_record) {
  std::vector<Record> records;
  for (int i = 0; i < 20; ++i) {
    records.push_back(make_record("events", "a", std::string(10'000, 'x')));
  }
  append(log(), records);
  const auto session = open_session(log(), "readers", {"events"});
  EXPECT_THAT(*session->poll(3, 1U << 20U, kPatience), SizeIs(3));
  const auto by_bytes = *session->poll(100, 50'000, kPatience);
  EXPECT_GE(by_bytes.size(), 1U);
  EXPECT_LE(by_bytes.size(), 5U);
  EXPECT_THAT(*session->poll(100, 10, kPatience), SizeIs(1));
}

TEST_P(LogContract, poll_passes_over_no_partition_for_long) {
  for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
    std::vector<Record> records(50, make_record("events", "a", std::to_string(partition)));
    for (Record& each : records) each.partition = partition;
    append(log(), records);
  }
  const auto session = open_session(log(), "readers", {"events"});
  // Where records are fetched, those of another partition may still be on their way.
  const int polls = GetParam().local ? kPartitions : kPartitions * 5;
  std::set<std::string> seen;
  for (int i = 0; i < polls; ++i) {
    for (const Record& each : *session->poll(10, 1U << 20U, kPatience)) seen.insert(each.value);
  }
  EXPECT_THAT(seen, SizeIs(kPartitions));
}

TEST_P(LogContract, wake_ends_a_poll_that_waits) {
  const auto session = open_session(log(), "readers", {"events"});
  std::jthread waiting([&] {
    const auto polled = session->poll(1, 1, kPatience * 100);
    EXPECT_TRUE(polled);
    EXPECT_THAT(*polled, IsEmpty());
  });
  session->wake();
}

TEST_P(LogContract, an_append_ends_polls_that_wait) {
  for (const std::string topic : {"events", "answers"}) {
    const auto session = open_session(log(), "readers", {topic});
    const auto reader = read_from_beginning(log(), topic);
    std::jthread of_session([&] { EXPECT_THAT(take(*session, 1), SizeIs(1)); });
    std::jthread of_reader([&] { EXPECT_THAT(take(*reader, 1), SizeIs(1)); });
    append(log(), {make_record(topic, "a", "1")});
  }
}

TEST_P(LogContract, poll_gives_nothing_when_nothing_comes) {
  const auto session = open_session(log(), "readers", {"events"});
  EXPECT_THAT(*session->poll(1, 1, milliseconds{0}), IsEmpty());
}

TEST_P(LogContract, lag_is_what_lies_between_the_position_and_the_end) {
  append(log(), {make_record("events", "a", "1"), make_record("events", "b", "2"),
                 make_record("events", "c", "3")});
  const auto session = open_session(log(), "readers", {"events"});
  take(*session, 1);
  EXPECT_EQ(session->lag(), 2);
  take(*session, 2);
  EXPECT_EQ(session->lag(), 0);
  append(log(), {make_record("events", "a", "4")});
  take(*session, 1);
  EXPECT_EQ(session->lag(), 0);
}

TEST_P(LogContract, tells_of_many_partitions_at_once_how_far_a_group_is) {
  append(log(), {make_record("events", "a", "1"), make_record("events", "b", "2")});
  std::vector<TopicPartition> partitions;
  for (std::int32_t i = 0; i < *log().partitions("events"); ++i)
    partitions.push_back({"events", i});
  const auto lag_of = [&](std::string_view group) {
    const auto found = log().group_offsets(group, partitions);
    EXPECT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->size(), partitions.size());
    Offset lag = 0;
    for (const auto& [partition, offsets] : *found) {
      EXPECT_EQ(offsets.committed, *log().committed(group, partition));
      EXPECT_EQ(offsets.begin, *log().begin_offset(partition));
      EXPECT_EQ(offsets.end, *log().end_offset(partition));
      lag += offsets.lag();
    }
    return lag;
  };
  EXPECT_EQ(lag_of("nobody"), 2) << "a group that is not there has all before it";
  const auto session = open_session(log(), "readers", {"events"});
  ASSERT_TRUE(session->commit({}, consumed(take(*session, 1))));
  EXPECT_EQ(lag_of("readers"), 1);
  ASSERT_TRUE(session->commit({}, consumed(take(*session, 1))));
  EXPECT_EQ(lag_of("readers"), 0);
  EXPECT_FALSE(log().group_offsets("readers", std::vector{TopicPartition{"nowhere", 0}}));
}

TEST(GroupOffsets, count_what_is_still_kept) {
  EXPECT_EQ((GroupOffsets{.committed = std::nullopt, .begin = 3, .end = 10}.lag()), 7);
  EXPECT_EQ((GroupOffsets{.committed = 2, .begin = 3, .end = 10}.lag()), 7);
  EXPECT_EQ((GroupOffsets{.committed = 8, .begin = 3, .end = 10}.lag()), 2);
  EXPECT_EQ((GroupOffsets{.committed = 12, .begin = 3, .end = 10}.lag()), 0) << "a new cluster";
}

TEST_P(LogContract, a_session_is_assigned_all_partitions_when_it_is_alone) {
  const auto session = open_session(log(), "readers", {"events"});
  append(log(), {make_record("events", "a", "1")});
  take(*session, 1);
  EXPECT_THAT(session->assignment(),
              UnorderedElementsAre(TopicPartition{"events", 0}, TopicPartition{"events", 1},
                                   TopicPartition{"events", 2}));
}

TEST_P(LogContract, a_reader_starts_where_it_is_told_and_knows_where_it_is) {
  std::vector<Record> records;
  for (int i = 0; i < 5; ++i) {
    records.push_back(make_record("events", "a", std::to_string(i)));
    records.back().partition = 1;
  }
  append(log(), records);
  const auto reader = log().open_reader({{{"events", 1}, 3}});
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->positions(), (Offsets{{{"events", 1}, 3}}));
  EXPECT_THAT(values(take(**reader, 2)), ElementsAre("3", "4"));
  EXPECT_EQ((*reader)->positions(), (Offsets{{{"events", 1}, 5}}));
  EXPECT_FALSE(log().open_reader({{{"no-such-topic", 0}, 0}}));
  EXPECT_FALSE(log().open_reader({{{"events", kPartitions}, 0}}));
}

TEST_P(LogContract, read_at_gives_one_record_or_says_that_it_is_not_there) {
  const auto positions = append(log(), {make_record("events", "a", "1")});
  ASSERT_THAT(positions, SizeIs(1));
  const auto found = log().read_at(positions[0]);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->value, "1");
  EXPECT_EQ((*found)->position(), positions[0]);
  Position later = positions[0];
  later.offset += 1;
  EXPECT_EQ(*log().read_at(later), std::nullopt);
}

TEST_P(LogContract, knows_the_bounds_of_every_partition) {
  EXPECT_EQ(*log().partitions("events"), kPartitions);
  EXPECT_FALSE(log().partitions("no-such-topic"));
  const auto positions = append(log(), {make_record("events", "a", "1")});
  const std::vector<std::string> topics{"events"};
  Offsets expected{{{"events", 0}, 0}, {{"events", 1}, 0}, {{"events", 2}, 0}};
  EXPECT_EQ(*begin_offsets(log(), topics), expected);
  expected[positions[0].source] = 1;
  EXPECT_EQ(*end_offsets(log(), topics), expected);
}

// Compaction takes records away ahead of a reader; at the end it has met a record of every key.
TEST_P(LogContract, a_reader_at_the_end_has_seen_every_key) {
  constexpr int kKeys = 20;
  constexpr int kRounds = 5;
  constexpr int kReplacedMax = 40;  // in a round, so that a slow reader comes to an end
  const auto replace_all = [&] {
    std::vector<Record> records;
    for (int i = 0; i < kKeys; ++i) {
      records.push_back(make_record("states", "k" + std::to_string(i), std::string(1'000, 'x')));
    }
    append(log(), std::move(records));
  };
  replace_all();
  for (int round = 0; round < kRounds; ++round) {
    const std::jthread writer{[&](const std::stop_token& stop) {
      for (int i = 0; i < kReplacedMax && !stop.stop_requested(); ++i) replace_all();
    }};
    std::set<std::string> seen;
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      const TopicPartition source{"states", partition};
      const auto reader = log().open_reader({{source, 0}});
      ASSERT_TRUE(reader) << reader.error().message;
      while ((*reader)->positions().at(source) < *log().end_offset(source)) {
        const auto records = (*reader)->poll(7, 1U << 20U, std::chrono::milliseconds{100});
        ASSERT_TRUE(records) << records.error().message;
        for (const Record& each : *records) seen.insert(each.key);
      }
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(kKeys));
  }
}

TEST_P(LogContract, topics_are_made_once) {
  EXPECT_TRUE(log().create_topics(kTopics));
  const std::vector<TopicSpec> other{{.name = "events", .partitions = kPartitions + 1}};
  EXPECT_TRUE(failed_as(log().create_topics(other), Error::Kind::rejected));
  const std::vector<TopicSpec> bad{{.name = "no spaces", .partitions = 1}};
  EXPECT_TRUE(failed_as(log().create_topics(bad), Error::Kind::rejected));
}

TEST_P(LogContract, append_rejects_what_the_log_cannot_hold) {
  const auto rejects = [&](Record record) {
    return failed_as(log().open_writer()->append({make_record("events", "a", "1"), record}),
                     Error::Kind::rejected);
  };
  EXPECT_TRUE(rejects(make_record("no-such-topic", "a", "1")));
  EXPECT_TRUE(rejects(make_record("states", "", "a compacted topic needs a key")));
  Record elsewhere = make_record("events", "a", "1");
  elsewhere.partition = kPartitions;
  EXPECT_TRUE(rejects(elsewhere));
  EXPECT_TRUE(rejects(make_record("events", "a", std::string(kRecordBytesMax + 1, 'x'))));
  EXPECT_THAT(read_topic(log(), "events"), IsEmpty());
}

TEST_P(LogContract, a_compacted_topic_keeps_the_last_record_of_each_key) {
  if (!GetParam().compacts_at_once) GTEST_SKIP() << "compacts in its own time";
  append(log(), {make_record("states", "a", "1"), make_record("states", "b", "1"),
                 make_record("states", "a", "2")});  // twice in one append
  append(log(), {make_record("states", "a", "3"), make_record("states", "c", "1")});
  EXPECT_THAT(values(read_topic(log(), "states")), UnorderedElementsAre("3", "1", "1"));
  reopen();
  append(log(), {make_record("states", "a", "4")});
  EXPECT_THAT(values(read_topic(log(), "states")), UnorderedElementsAre("4", "1", "1"));
}

TEST_P(LogContract, a_tombstone_takes_the_place_of_its_keys_record) {
  const auto positions = append(log(), {make_record("states", "a", "1")});
  append(log(), {make_tombstone("states", "a")});
  const auto session = open_session(log(), "readers", {"states"});
  const auto read = take(*session, GetParam().compacts_at_once ? 1 : 2);
  ASSERT_FALSE(read.empty());
  EXPECT_TRUE(read.back().tombstone);
  EXPECT_EQ(read.back().key, "a");
  EXPECT_EQ(read.back().value, "");
  if (GetParam().compacts_at_once) {
    EXPECT_EQ(*log().read_at(positions[0]), std::nullopt);
  }
}

TEST_P(LogContract, a_compacted_topic_may_expire_and_keeps_the_last_record_of_each_key_till_then) {
  append(log(), {make_record("letters", "a", "1"), make_record("letters", "b", "1")});
  append(log(), {make_record("letters", "a", "2"), make_tombstone("letters", "b")});
  reopen();
  append(log(), {make_record("letters", "c", "1")});
  std::map<std::string, std::string> newest;
  for (const Record& each : read_topic(log(), "letters")) {
    newest[each.key] = each.tombstone ? "gone" : each.value;
  }
  EXPECT_THAT(newest, ElementsAre(Pair("a", "2"), Pair("b", "gone"), Pair("c", "1")));
  if (GetParam().compacts_at_once) {
    EXPECT_THAT(read_topic(log(), "letters"), SizeIs(3));
  }
}

TEST_P(LogContract, positions_move_over_the_gaps_that_compaction_leaves) {
  if (!GetParam().compacts_at_once) GTEST_SKIP() << "compacts in its own time";
  for (int i = 0; i < 50; ++i) append(log(), {make_record("states", "a", std::to_string(i))});
  const auto session = open_session(log(), "readers", {"states"});
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("49"));
  EXPECT_EQ(session->lag(), 0);
  const TopicPartition partition{"states", partition_for("a", kPartitions)};
  EXPECT_EQ(*log().begin_offset(partition), 49);
  EXPECT_EQ(*log().end_offset(partition), 50);
}

TEST_P(LogContract, handlers_are_called_once_with_positions_in_the_records_order) {
  const auto writer = log().open_writer();
  std::atomic<int> calls = 0;
  std::vector<Record> records;
  for (int i = 0; i < 10; ++i) {
    records.push_back(make_record(i % 2 == 0 ? "events" : "answers", "key" + std::to_string(i),
                                  std::to_string(i)));
  }
  std::atomic<bool> right = false;
  writer->append_async(records, [&](Result<std::vector<Position>> stored) {
    bool all = stored && stored->size() == records.size();
    for (std::size_t i = 0; all && i < records.size(); ++i) {
      all = (*stored)[i].source.topic == records[i].topic &&
            (*stored)[i].source.partition == partition_for(records[i].key, kPartitions);
    }
    right = all;
    ++calls;
  });
  ASSERT_TRUE(eventually([&] { return calls > 0; }));
  append(log(), {make_record("events", "a", "after")});
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(right);
  EXPECT_THAT(append(log(), {}), IsEmpty());
}

TEST_P(LogContract, a_large_record_comes_back_whole) {
  const std::string value = printable_text(2U << 20U, 1);
  Record record = make_record("states", "large", value);
  record.headers = {{"name", "of a file"}};
  const auto positions = append(log(), {make_record("states", "small", "1"), record});
  ASSERT_THAT(positions, SizeIs(2));
  reopen();
  const auto session = open_session(log(), "readers", {"states"});
  for (const Record& each : take(*session, 2)) {
    if (each.key == "small") continue;
    EXPECT_EQ(each.key, "large");
    EXPECT_EQ(each.value, value);
    EXPECT_EQ(each.headers, record.headers);
    EXPECT_EQ(each.position(), positions[1]);
  }
  const auto again = log().read_at(positions[1]);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->value, value);
}

TEST_P(LogContract, a_record_of_64_mib_comes_back_whole) {
  const std::string value = printable_text(64U << 20U, 2);
  append(log(), {make_record("states", "large", value)});
  const auto session = open_session(log(), "readers", {"states"});
  const auto read = take(*session, 1, 1U << 20U);
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].value, value);
}

TEST_P(LogContract, a_commit_may_hold_large_records) {
  append(log(), {make_record("events", "a", "1")});
  const auto session = open_session(log(), "copier", {"events"});
  const auto read = take(*session, 1);
  const std::string value = printable_text(3U << 20U, 3);
  ASSERT_TRUE(session->commit(std::vector{make_record("states", "large", value)}, consumed(read)));
  EXPECT_EQ(*log().committed("copier", read[0].position().source), read[0].offset + 1);
  const auto copies = read_topic(log(), "states");
  ASSERT_THAT(copies, SizeIs(1));
  EXPECT_EQ(copies[0].value, value);
}

TEST_P(LogContract, a_large_record_is_superseded_as_any_other) {
  if (!GetParam().compacts_at_once) GTEST_SKIP() << "compacts in its own time";
  append(log(), {make_record("states", "a", printable_text(2U << 20U, 4))});
  const std::string second = printable_text(2U << 20U, 5);
  append(log(), {make_record("states", "a", second)});
  EXPECT_THAT(values(read_topic(log(), "states")), ElementsAre(second));
  append(log(), {make_tombstone("states", "a")});
  const auto left = read_topic(log(), "states");
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_TRUE(left[0].tombstone);
}

TEST_P(LogContract, lists_its_topics) {
  const auto topics = log().topics();
  ASSERT_TRUE(topics) << topics.error().message;
  EXPECT_TRUE(std::ranges::is_sorted(*topics));
  for (const TopicSpec& each : kTopics) EXPECT_THAT(*topics, testing::Contains(each.name));
}

TEST_P(LogContract, deletes_a_topic_with_all_that_is_in_it) {
  const std::vector<std::string> doomed{"copies.g7", "states.g7", "never-was"};
  const std::vector<TopicSpec> specs{
      {.name = "copies.g7", .partitions = kPartitions},
      {.name = "states.g7", .partitions = kPartitions, .compacted = true}};
  ASSERT_TRUE(log().create_topics(specs));
  for (const TopicSpec& each : specs) {
    append(log(), {make_record(each.name, "a", "1"), make_record(each.name, "b", "2")});
    const auto session = open_session(log(), "readers", {each.name});
    take(*session, 2);
    ASSERT_TRUE(session->commit({}, session->positions()));
  }
  append(log(), {make_record("states", "a", "3")});
  const Status deleted = log().delete_topics(doomed);
  ASSERT_TRUE(deleted) << deleted.error().message;
  EXPECT_TRUE(log().delete_topics(doomed)) << "they are gone";
  reopen();
  // The broker that answers may hear of it a moment later.
  EXPECT_TRUE(eventually([&] { return std::ranges::count(*log().topics(), "copies.g7") == 0; }));
  EXPECT_FALSE(log().partitions(specs.front().name));
  EXPECT_THAT(values(read_topic(log(), "states")), ElementsAre("3"));
}
}  // namespace
}  // namespace millrace
