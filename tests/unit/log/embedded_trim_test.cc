#include "common/log/embedded_trim.h"

#include <rocksdb/db.h>

#include "embedded_log_fixture.h"

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class EmbeddedTrim : public EmbeddedLogTest {
 protected:
  EmbeddedTrim() { options.trim_interval = milliseconds{1}; }

  bool begins_at(const std::string& topic, Offset offset) {
    return eventually([&] { return *log->begin_offset({topic, 0}) == offset; });
  }
  // Returns when a trim of both lanes that began after the call is over: the second that is seen.
  void wait_for_a_trim() {
    for (int i = 0; i < 2; ++i) {
      append(*log, {make_record("ticks", "a", "1"), make_record("fleeting_ticks", "a", "1")});
      clock.advance(milliseconds{2});
      for (const std::string topic : {"ticks", "fleeting_ticks"}) {
        ASSERT_TRUE(begins_at(topic, *log->end_offset({topic, 0})));
      }
    }
  }
  // Rows of one kind, read from the closed database.
  std::size_t rows(const char* lane, const std::string& family, const std::string& prefix) {
    log.reset();
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::OpenForReadOnly(
        {}, (options.directory / lane).string(), {{"default", {}}, {"records", {}}, {"keys", {}}},
        &handles, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    if (!status.ok()) return 0;
    std::size_t count = 0;
    for (auto* each : handles) {
      if (each->GetName() != family) continue;
      const std::unique_ptr<rocksdb::Iterator> all{db->NewIterator({}, each)};
      for (all->Seek(prefix); all->Valid() && all->key().starts_with(prefix); all->Next()) ++count;
    }
    for (auto* each : handles) EXPECT_TRUE(db->DestroyColumnFamilyHandle(each).ok());
    delete db;
    return count;
  }
};

TEST_F(EmbeddedTrim, removes_records_that_are_older_than_the_retention_and_no_others) {
  open();
  const auto old =
      append(*log, {make_record("answers", "a", "1"), make_record("answers", "b", "2")});
  clock.advance(minutes{6});
  const auto young = append(*log, {make_record("answers", "c", "3")});
  append(*log, {make_record("events", "a", "of a day")});
  clock.advance(minutes{3});
  wait_for_a_trim();
  EXPECT_EQ(*log->begin_offset({"answers", 0}), 0);
  clock.advance(minutes{2});
  ASSERT_TRUE(begins_at("answers", 2));
  EXPECT_EQ(*log->read_at(old[0]), std::nullopt);
  EXPECT_EQ(*log->read_at(old[1]), std::nullopt);
  EXPECT_TRUE(*log->read_at(young[0]));
  EXPECT_THAT(values(read_topic(*log, "answers")), ElementsAre("3"));
  EXPECT_THAT(values(read_topic(*log, "events")), ElementsAre("of a day"));
  const auto session = open_session(*log, "late", {"answers"});
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("3"));
}

TEST_F(EmbeddedTrim, never_gives_an_offset_again) {
  open();
  append(*log, {make_record("answers", "a", "1"), make_record("answers", "b", "2")});
  append(*log, {make_record("states", "a", "1"), make_tombstone("states", "a")});
  clock.advance(kTombstoneRetention + minutes{1});
  ASSERT_TRUE(begins_at("answers", 2));
  ASSERT_TRUE(begins_at("states", 2));
  open();
  EXPECT_EQ(*log->begin_offset({"answers", 0}), 2);
  EXPECT_EQ(*log->begin_offset({"states", 0}), 2);
  EXPECT_EQ(append(*log, {make_record("answers", "c", "3")})[0].offset, 2);
  EXPECT_EQ(append(*log, {make_record("states", "c", "3")})[0].offset, 2);
}

TEST_F(EmbeddedTrim, a_reader_that_fell_behind_goes_on_at_the_beginning) {
  open();
  append(*log, {make_record("answers", "a", "1")});
  const auto reader = read_from_beginning(*log, "answers");
  const auto session = open_session(*log, "readers", {"answers"});
  clock.advance(minutes{11});
  ASSERT_TRUE(begins_at("answers", 1));
  EXPECT_EQ(session->lag(), 0);
  append(*log, {make_record("answers", "b", "2")});
  EXPECT_THAT(values(take(*reader, 1)), ElementsAre("2"));
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("2"));
}

TEST_F(EmbeddedTrim, frees_the_disk) {
  open();
  const auto fill = [&] {
    for (unsigned i = 0; i < 48; ++i) {
      append(*log, {make_record("answers", "a", printable_text(1U << 20U, i))});
    }
  };
  const auto used = [&] {
    std::uintmax_t bytes = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator{options.directory}) {
      std::error_code gone;
      if (each.path().extension() == ".sst") bytes += each.file_size(gone);
    }
    return bytes;
  };
  fill();
  ASSERT_GT(used(), 8U << 20U);
  clock.advance(minutes{11});
  ASSERT_TRUE(begins_at("answers", 48));
  ASSERT_TRUE(eventually([&] { return metric("log_trimmed_bytes_total{topic=\"answers\"}") > 0; }));
  for (int round = 0; round < 4; ++round) {  // what replaces it does not come on top of it
    fill();
    clock.advance(minutes{11});
    ASSERT_TRUE(begins_at("answers", *log->end_offset({"answers", 0})));
  }
  EXPECT_TRUE(eventually([&] { return used() < 120U << 20U; })) << used();
}

TEST_F(EmbeddedTrim, a_longer_retention_holds_from_when_it_is_set) {
  open();
  append(*log, {make_record("answers", "a", "1")});
  ASSERT_TRUE(log->create_topics(
      std::vector<TopicSpec>{{.name = "answers", .retention = hours{1}, .durable = false}}));
  clock.advance(minutes{30});
  wait_for_a_trim();
  EXPECT_EQ(*log->begin_offset({"answers", 0}), 0);
  clock.advance(minutes{31});
  EXPECT_TRUE(begins_at("answers", 1));
}

TEST_F(EmbeddedTrim, a_compacted_topic_that_expires_loses_keys_by_time_and_by_tombstone) {
  open();
  const auto segmented = make_segmented_log(*log);
  append(*segmented, {make_record("letters", "large", printable_text(2U << 20U, 1)),
                      make_record("letters", "a", "1"), make_record("letters", "b", "1"),
                      make_record("letters", "c", "1")});
  append(*log, {make_record("states", "a", "for good")});
  clock.advance(hours{24 * 20});
  append(*log, {make_record("letters", "a", "2"), make_tombstone("letters", "b")});
  clock.advance(hours{24 * 10} - minutes{1});
  wait_for_a_trim();
  EXPECT_THAT(read_topic(*log, "letters"), SizeIs(4 + 1 + 1));  // large, c, a; b's tombstone went
  clock.advance(minutes{2});
  wait_for_a_trim();
  EXPECT_THAT(values(read_topic(*segmented, "letters")), ElementsAre("2"));
  EXPECT_THAT(values(read_topic(*log, "letters")), ElementsAre("2"));
  EXPECT_THAT(values(read_topic(*log, "states")), ElementsAre("for good"));
  append(*log, {make_record("letters", "c", "2")});
  clock.advance(hours{24 * 20});
  wait_for_a_trim();
  EXPECT_THAT(values(read_topic(*log, "letters")), ElementsAre("2"));
  EXPECT_EQ(rows("durable", "keys", ""), 2U);  // c, and of states
}

TEST_F(EmbeddedTrim, a_topic_kept_by_time_may_become_a_compacted_one_that_expires) {
  open();
  const TopicSpec before{.name = "turned", .retention = hours{48}};
  TopicSpec after = before;
  after.compacted = after.expires = true;
  ASSERT_TRUE(log->create_topics(std::span{&before, 1}));
  const auto segmented = make_segmented_log(*log);
  append(*segmented, {make_record("turned", "large", printable_text(2U << 20U, 1)),
                      make_record("turned", "a", "1"), make_record("turned", "b", "1")});
  open();
  ASSERT_TRUE(log->create_topics(std::span{&after, 1}));
  clock.advance(hours{1});
  append(*log, {make_record("turned", "a", "2"), make_record("turned", "c", "1")});
  append(*log, {make_record("turned", "c", "2")});
  const auto all = read_topic(*make_segmented_log(*log), "turned");
  EXPECT_THAT(all, SizeIs(5));  // a's first record is of before: it goes with its time
  EXPECT_EQ(all.back().value, "2");
  EXPECT_FALSE(log->create_topics(std::span{&before, 1})) << "not back";
  open();
  ASSERT_TRUE(log->create_topics(std::span{&after, 1}));
  clock.advance(hours{47} + minutes{1});
  wait_for_a_trim();
  EXPECT_THAT(values(read_topic(*make_segmented_log(*log), "turned")), ElementsAre("2", "2"));
  clock.advance(kUnclaimedSegmentRetention);
  wait_for_a_trim();
  EXPECT_EQ(rows("durable", "keys", ""), 0U);
}

TEST_F(EmbeddedTrim, a_tombstone_goes_after_its_time) {
  open();
  append(*log, {make_record("states", "a", "1"), make_record("states", "b", "1")});
  append(*log, {make_tombstone("states", "a")});
  clock.advance(kTombstoneRetention - minutes{30});
  wait_for_a_trim();
  EXPECT_THAT(read_topic(*log, "states"), SizeIs(2));
  clock.advance(hours{1});
  wait_for_a_trim();
  EXPECT_THAT(values(read_topic(*log, "states")), ElementsAre("1"));
  EXPECT_EQ(rows("durable", "keys", ""), 1U);
  EXPECT_EQ(rows("durable", "default", "D"), 0U);
}

TEST_F(EmbeddedTrim, a_tombstone_stays_while_a_reader_or_a_group_is_behind_it) {
  open();
  append(*log, {make_record("states", "a", "1")});
  const auto session = open_session(*log, "slow", {"states"});
  ASSERT_TRUE(session->commit({}, {{{"states", 0}, 0}}));
  const auto reader = read_from_beginning(*log, "states");
  append(*log, {make_tombstone("states", "a")});
  clock.advance(kTombstoneRetention + hours{1});
  wait_for_a_trim();
  EXPECT_THAT(read_topic(*log, "states"), SizeIs(1));
  take(*session, 1);
  ASSERT_TRUE(session->commit({}, {{{"states", 0}, 2}}));
  wait_for_a_trim();
  EXPECT_THAT(read_topic(*log, "states"), SizeIs(1));
  EXPECT_TRUE(take(*reader, 1).at(0).tombstone);
  wait_for_a_trim();
  EXPECT_THAT(read_topic(*log, "states"), IsEmpty());
}

TEST_F(EmbeddedTrim, a_key_that_came_back_outlives_its_tombstone) {
  open();
  append(*log, {make_record("states", "a", "1"), make_tombstone("states", "a")});
  append(*log, {make_record("states", "a", "2")});
  clock.advance(kTombstoneRetention + hours{1});
  wait_for_a_trim();
  EXPECT_THAT(values(read_topic(*log, "states")), ElementsAre("2"));
}

TEST_F(EmbeddedTrim, segments_that_no_record_lists_go_after_a_day_too) {
  open();
  Record segment = make_record("states",
                               std::string("a\0set\0"
                                           "0",
                                           7),
                               "half an upload");
  segment.set_header(headers::kSegments, "part");
  const auto stored = append(*log, {segment});
  wait_for_a_trim();
  EXPECT_TRUE(*log->read_at(stored[0]));
  clock.advance(kUnclaimedSegmentRetention + minutes{1});
  wait_for_a_trim();
  EXPECT_EQ(*log->read_at(stored[0]), std::nullopt);
}

TEST_F(EmbeddedTrim, segments_that_no_record_lists_go_when_the_log_is_opened) {
  open();
  Record segment = make_record("states",
                               std::string("a\0set\0"
                                           "0",
                                           7),
                               "half an upload");
  segment.set_header(headers::kSegments, "part");
  append(*log, {segment, make_record("states", "b", "1")});
  const auto segmented = make_segmented_log(*log);
  const std::string large = printable_text(2U << 20U, 1);
  append(*segmented, {make_record("states", "c", large)});
  EXPECT_EQ(rows("durable", "records", ""), 1U + 1U + 4U);
  open();
  EXPECT_THAT(values(read_topic(*log, "states")), SizeIs(1 + 4));
  EXPECT_THAT(values(read_topic(*make_segmented_log(*log), "states")), ElementsAre("1", large));
  EXPECT_EQ(rows("durable", "records", ""), 1U + 4U);
  EXPECT_EQ(rows("durable", "default", "S"), 0U);
}

TEST_F(EmbeddedTrim, a_superseded_large_record_leaves_nothing_behind) {
  open();
  for (unsigned i = 0; i < 3; ++i) {
    append(*make_segmented_log(*log), {make_record("states", "a", printable_text(2U << 20U, i))});
  }
  EXPECT_EQ(rows("durable", "records", ""), 4U);
  open();
  append(*make_segmented_log(*log), {make_tombstone("states", "a")});
  EXPECT_EQ(rows("durable", "records", ""), 1U);
}

TEST_F(EmbeddedTrim, a_forged_list_of_segments_removes_nothing_of_others) {
  open();
  const auto victim = append(*log, {make_record("states", "victim", "1")});
  Record forged = make_record("states", "forger", "1");
  forged.set_header(headers::kSegments, std::to_string(victim[0].offset));
  append(*log, {forged});
  append(*log, {make_record("states", "forger", "2")});
  EXPECT_TRUE(*log->read_at(victim[0]));
}

}  // namespace
}  // namespace millrace
