#include "workers/sweeper/sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <fstream>
#include <map>

#include "tests/support/fake_clock.h"
#include "tests/unit/log/log_test_support.h"
#include "tests/unit/sweeper/sweeper_records.h"

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Keys = std::vector<std::string>;

// One partition, of which every record is kept, so that it can come again.
class SweeperTest : public ::testing::Test {
 protected:
  const TopicPartition source_{std::string{kTestTopic}, 0};

  void SetUp() override { open(); }
  std::filesystem::path directory() const { return folder_.path() / "sweeper"; }
  void open() {
    state_ = open_state(directory());
    sweeper_ = std::make_unique<Sweeper>(*state_, SweeperOptions{{source_}}, clock_, metrics_);
  }
  void close() {
    sweeper_.reset();
    state_.reset();
  }

  Offset end() const { return static_cast<Offset>(log_.size()); }
  Record append(Record record) {
    record.offset = end();
    if (record.timestamp == Clock::Wall{}) record.timestamp = clock_.wall_now();
    log_.push_back(record);
    return record;
  }
  std::vector<Record> records(Offset begin, Offset end) const {
    return {log_.begin() + begin, log_.begin() + end};
  }
  // Keys of the tombstones that the batch gives, for each record.
  std::vector<Keys> process(const std::vector<Record>& batch) {
    std::vector<Keys> keys;
    for (const Result<Outputs>& each : sweeper_->process(batch)) {
      keys.emplace_back();
      EXPECT_TRUE(each) << each.error().message;
      if (!each) continue;
      for (const Record& tombstone : *each) keys.back().push_back(tombstone.key);
    }
    EXPECT_EQ(keys.size(), batch.size());
    return keys;
  }
  // A batch of this record alone.
  Keys pipe(Record record) { return process({append(std::move(record))}).front(); }
  // The earlier segments of an upload: their offsets.
  std::vector<Offset> pipe_segments(std::string_view key, std::string_view set, std::size_t count) {
    std::vector<Offset> offsets;
    for (std::size_t i = 0; i < count; ++i) {
      offsets.push_back(end());
      EXPECT_THAT(pipe(earlier_segment(segment_key_of(key, set, i))), IsEmpty());
    }
    return offsets;
  }
  Keys pipe_large(std::string_view key, std::string_view set, std::size_t count) {
    return pipe(last_segment(key, pipe_segments(key, set, count)));
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  MetricsRegistry metrics_;
  std::unique_ptr<SweepState> state_;
  std::unique_ptr<Sweeper> sweeper_;
  std::vector<Record> log_;
};

TEST_F(SweeperTest, sweeps_the_segments_of_a_large_record_that_a_small_one_replaces) {
  EXPECT_THAT(pipe_large("c/d", "A", 2), IsEmpty());
  EXPECT_THAT(pipe_large("c/e", "B", 1), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")),
              ElementsAre(segment_key_of("c/d", "A", 0), segment_key_of("c/d", "A", 1)));
  EXPECT_THAT(pipe(plain_record("c/d")), IsEmpty());
  EXPECT_EQ(metrics_.counter("log_swept_segments_total", "").value(), 2);
}

TEST_F(SweeperTest, sweeps_the_segments_of_a_large_record_that_a_large_one_replaces) {
  pipe_large("c/d", "A", 1);
  EXPECT_THAT(pipe_large("c/d", "B", 2), ElementsAre(segment_key_of("c/d", "A", 0)));
  EXPECT_THAT(pipe_large("c/d", "C", 1),
              ElementsAre(segment_key_of("c/d", "B", 0), segment_key_of("c/d", "B", 1)));
}

TEST_F(SweeperTest, sweeps_the_segments_of_a_record_that_is_deleted) {
  pipe_large("c/d", "A", 1);
  Record deletion = last_segment("c/d", pipe_segments("c/d", "B", 1));
  deletion.value.clear();
  deletion.tombstone = true;
  EXPECT_THAT(pipe(deletion), ElementsAre(segment_key_of("c/d", "A", 0)));
  EXPECT_THAT(pipe(tombstone_of("c/d")), IsEmpty()) << "a deletion owns nothing";
}

TEST_F(SweeperTest, a_tombstone_stands_where_its_segment_stands_and_every_reader_passes_over_it) {
  Record segment = earlier_segment(segment_key_of("c/d", "A", 0));
  Record last = last_segment("c/d", {40});
  Record newer = plain_record("c/d");
  for (Record* each : {&segment, &last, &newer}) each->partition = 3;
  segment.offset = 40;
  last.offset = 41;
  newer.offset = 45;
  const auto results = sweeper_->process(std::vector{segment, last, newer});
  ASSERT_THAT(*results[2], SizeIs(1));
  Record tombstone = results[2]->front();
  EXPECT_EQ(tombstone.topic, kTestTopic);
  EXPECT_EQ(tombstone.partition, 3);
  EXPECT_TRUE(tombstone.tombstone && tombstone.value.empty() && is_earlier_segment(tombstone));
  EXPECT_EQ(tombstone.key, segment.key);
  // To the sweeper it is nothing: no segment that could become an orphan.
  tombstone.offset = 46;
  EXPECT_THAT(process({tombstone}).front(), IsEmpty());
  newer.offset = 47;
  newer.timestamp = clock_.wall_now();
  clock_.advance(hours{25});
  EXPECT_THAT(process({newer}).front(), IsEmpty());
}

TEST_F(SweeperTest, partitions_know_nothing_of_each_other) {
  const auto segments = pipe_segments("c/d", "A", 1);
  Record elsewhere = last_segment("c/d", segments);
  elsewhere.partition = 1;
  elsewhere.offset = 7;
  EXPECT_THAT(process({elsewhere, append(last_segment("c/d", segments))})[1], IsEmpty());
  elsewhere.set_header(headers::kSegments, "");
  elsewhere.offset = 8;
  EXPECT_THAT(process({elsewhere}).front(), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")), SizeIs(1));
}

// ---- lists

TEST_F(SweeperTest, the_same_record_once_more_keeps_its_segments) {
  const auto segments = pipe_segments("c/d", "A", 2);
  EXPECT_THAT(pipe(last_segment("c/d", segments)), IsEmpty());
  EXPECT_THAT(pipe(last_segment("c/d", segments)), IsEmpty());
  EXPECT_THAT(pipe(last_segment("c/d", {segments[1]})), ElementsAre(segment_key_of("c/d", "A", 0)));
  EXPECT_THAT(pipe(last_segment("c/d", segments)), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")), ElementsAre(segment_key_of("c/d", "A", 1)));
}

TEST_F(SweeperTest, a_list_takes_no_segments_of_another_key) {
  const std::string batch = segment_key_of("c/d", "REVISION", 0);  // a record of embeddings
  for (const std::string& owner : {"c/e"s, batch}) {
    const auto others = pipe_segments(owner, "A", 2);
    for (const bool owned : {false, true}) {
      EXPECT_THAT(pipe(last_segment("c/d", others)), IsEmpty());
      EXPECT_THAT(pipe(tombstone_of("c/d")), IsEmpty());
      if (owned) continue;
      EXPECT_THAT(pipe(last_segment(owner, others)), IsEmpty());
    }
    EXPECT_THAT(pipe(tombstone_of(owner)),
                ElementsAre(segment_key_of(owner, "A", 0), segment_key_of(owner, "A", 1)));
  }
}

TEST_F(SweeperTest, a_list_of_what_is_not_there_takes_nothing) {
  pipe_large("c/d", "A", 1);
  const auto own = pipe_segments("c/e", "B", 1);
  EXPECT_THAT(pipe(last_segment("c/e", {own[0], own[0], 1, 0, 999, 3})), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/e")), ElementsAre(segment_key_of("c/e", "B", 0)));
  Record garbled = plain_record("c/e");
  for (const std::string list : {",", "1,", "x", "-1", "99999999999999999999", "part,1"}) {
    garbled.set_header(headers::kSegments, list);
    EXPECT_THAT(pipe(garbled), IsEmpty()) << list;
  }
  const std::size_t too_many = kRecordBytesMax / kSegmentBytes + 1;
  pipe_large("c/f", "C", too_many);
  EXPECT_THAT(pipe(tombstone_of("c/f")), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")), SizeIs(1));
}

TEST_F(SweeperTest, a_key_that_is_no_segments_never_gets_a_tombstone) {
  for (const std::string& key : {""s, "c/d"s, "\0"s, "\0\0"s, "c/d\0"s, "c/d\0A\0"s, "c/d\0\0000"s,
                                 "c/d\0000"s, "c/d\0A\0x"s, "c/d\0A\0-1"s, "c/d\0A\0001x"s}) {
    const Offset offset = end();
    pipe(earlier_segment(key));
    pipe(last_segment("c/d", {offset}));
  }
  EXPECT_THAT(pipe(tombstone_of("c/d")), IsEmpty());
  clock_.advance(hours{48});
  EXPECT_THAT(pipe(plain_record("c/e")), IsEmpty());
}

// ---- uploads that never end

TEST_F(SweeperTest, sweeps_segments_that_no_record_has_listed_for_a_day) {
  const auto listed = pipe_segments("c/a", "L", 2);
  pipe_segments("c/d", "A", 2);
  pipe(last_segment("c/a", listed));
  clock_.advance(hours{12});
  const auto young = pipe_segments("c/e", "B", 1);
  clock_.advance(hours{12} - milliseconds{1});
  EXPECT_THAT(pipe(plain_record("c/x")), IsEmpty());
  clock_.advance(milliseconds{1});
  EXPECT_THAT(pipe(plain_record("c/x")),
              ElementsAre(segment_key_of("c/d", "A", 0), segment_key_of("c/d", "A", 1)));
  EXPECT_THAT(pipe(last_segment("c/e", young)), IsEmpty());
  clock_.advance(hours{48});
  EXPECT_THAT(pipe(plain_record("c/x")), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/e")), SizeIs(1));
}

TEST_F(SweeperTest, a_record_gets_its_segments_even_a_day_late) {
  const auto segments = pipe_segments("c/d", "A", 1);
  pipe_segments("c/e", "B", 1);
  clock_.advance(hours{30});
  EXPECT_THAT(pipe(last_segment("c/d", segments)), ElementsAre(segment_key_of("c/e", "B", 0)));
  EXPECT_THAT(pipe(plain_record("c/d")), ElementsAre(segment_key_of("c/d", "A", 0)));
}

TEST_F(SweeperTest, many_orphans_go_with_several_records) {
  pipe_segments("c/d", "A", 150);
  clock_.advance(hours{24});
  const Offset begin = end();
  for (int i = 0; i < 2; ++i) append(plain_record("c/x"));
  const auto keys = process(records(begin, end()));
  EXPECT_THAT(keys[0], SizeIs(64));
  ASSERT_THAT(keys[1], SizeIs(64));
  EXPECT_EQ(keys[1].front(), segment_key_of("c/d", "A", 64));
  EXPECT_THAT(pipe(plain_record("c/x")), SizeIs(22));
  EXPECT_THAT(pipe(plain_record("c/x")), IsEmpty());
}

TEST_F(SweeperTest, reads_old_records_without_taking_their_uploads_for_orphans) {
  const Clock::Wall written = clock_.wall_now();
  clock_.advance(hours{24} * 30);
  Record segment = earlier_segment(segment_key_of("c/d", "A", 0));
  segment.timestamp = written;
  EXPECT_THAT(pipe(segment), IsEmpty());
  Record last = last_segment("c/d", {0});
  last.timestamp = written + hours{1};
  EXPECT_THAT(pipe(last), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")), SizeIs(1));
}

TEST_F(SweeperTest, a_writer_whose_clock_is_wrong_ends_nobodys_upload) {
  pipe(plain_record("c/x"));
  Record behind = earlier_segment(segment_key_of("c/d", "A", 0));
  behind.timestamp = clock_.wall_now() - hours{24} * 365;
  EXPECT_THAT(pipe(behind), IsEmpty());
  Record ahead = plain_record("c/x");
  ahead.timestamp = clock_.wall_now() + hours{24} * 365;
  EXPECT_THAT(pipe(ahead), IsEmpty());
  close();
  open();
  EXPECT_THAT(process(records(sweeper_->restored().at(source_), end())), ElementsAre(IsEmpty()));
  clock_.advance(hours{24} - milliseconds{1});
  EXPECT_THAT(pipe(plain_record("c/x")), IsEmpty());
  EXPECT_THAT(pipe(last_segment("c/d", {1})), IsEmpty());
  EXPECT_THAT(pipe(plain_record("c/d")), SizeIs(1));
}

// ---- records that come again

TEST_F(SweeperTest, a_batch_whose_commit_failed_gives_the_same_tombstones_however_it_is_cut) {
  pipe_large("c/d", "A", 1);
  pipe_segments("c/x", "O", 1);
  clock_.advance(hours{24});
  const Offset begin = end();
  append(earlier_segment(segment_key_of("c/d", "B", 0)));
  append(last_segment("c/d", {begin}));
  append(plain_record("c/d"));
  const std::vector<Keys> expected{{segment_key_of("c/x", "O", 0)},
                                   {segment_key_of("c/d", "A", 0)},
                                   {segment_key_of("c/d", "B", 0)}};
  for (int i = 0; i < 2; ++i) EXPECT_EQ(process(records(begin, begin + 3)), expected);
  EXPECT_EQ(process(records(begin, begin + 1)).front(), expected[0]);
  EXPECT_EQ(process(records(begin, begin + 2))[1], expected[1]);
  EXPECT_EQ(process(records(begin + 2, begin + 3)).front(), expected[2]);
  EXPECT_EQ(sweeper_->restored().at(source_), begin + 2);
  EXPECT_THAT(pipe(plain_record("c/d")), IsEmpty());
}

TEST_F(SweeperTest, another_process_goes_on_at_the_last_commit_that_this_one_has_seen) {
  EXPECT_THAT(sweeper_->restored(), ElementsAre(std::pair{source_, 0}));
  pipe_large("c/d", "A", 1);
  pipe_segments("c/e", "B", 1);
  const Offset begin = end();
  const Keys swept{segment_key_of("c/d", "A", 0)};
  EXPECT_EQ(pipe(plain_record("c/d")), swept);
  close();
  open();
  EXPECT_THAT(sweeper_->restored(), ElementsAre(std::pair{source_, begin}));
  EXPECT_EQ(process(records(begin, end())).front(), swept);
  clock_.advance(hours{24});
  EXPECT_THAT(pipe(plain_record("c/d")), ElementsAre(segment_key_of("c/e", "B", 0)));
}

TEST_F(SweeperTest, records_before_its_state_change_nothing) {
  pipe_large("c/d", "A", 1);
  pipe(plain_record("c/d"));
  pipe(plain_record("c/x"));
  const Offset durable = sweeper_->restored().at(source_);
  EXPECT_THAT(process(records(0, durable)), ::testing::Each(IsEmpty()));
  EXPECT_EQ(sweeper_->restored().at(source_), durable);
  EXPECT_THAT(pipe(plain_record("c/d")), IsEmpty());
}

TEST_F(SweeperTest, a_lost_state_is_read_again_with_the_segments_of_records_that_are_gone) {
  pipe_large("c/d", "A", 1);
  close();
  std::filesystem::remove_all(directory());
  open();
  EXPECT_THAT(sweeper_->restored(), ElementsAre(std::pair{source_, 0}));
  process(records(0, 1));  // compaction took the record that listed it
  pipe(plain_record("c/d"));
  clock_.advance(hours{24});
  EXPECT_THAT(pipe(plain_record("c/x")), ElementsAre(segment_key_of("c/d", "A", 0)));
}

// ---- a state that fails

std::map<std::string, std::string> rows_of(rocksdb::DB& db) {
  std::map<std::string, std::string> rows;
  const std::unique_ptr<rocksdb::Iterator> each{db.NewIterator({})};
  for (each->SeekToFirst(); each->Valid(); each->Next()) {
    rows[each->key().ToString()] = each->value().ToString();
  }
  return rows;
}

std::unique_ptr<rocksdb::DB> open_rows(const std::filesystem::path& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, directory, &db).ok());
  return std::unique_ptr<rocksdb::DB>{db};
}

TEST_F(SweeperTest, damage_is_fatal_and_nothing_is_applied_after_it) {
  pipe_large("c/d", "A", 1);
  pipe_large("c/e", "B", 1);
  const Offset unclaimed = pipe_segments("c/f", "C", 1).front();
  pipe(plain_record("c/x"));
  const Offset begin = sweeper_->restored().at(source_);
  append(plain_record("c/e"));
  append(last_segment("c/f", {unclaimed}));
  append(plain_record("c/d"));
  append(plain_record("c/f"));
  close();
  const auto rows = rows_of(*open_rows(directory()));
  ASSERT_THAT(rows, SizeIs(5)) << "format, position, two of owned segments, one unclaimed";
  for (const auto& [row, value] : rows) {
    for (const std::string& damaged : {value + "x", value.substr(0, value.size() - 1), ""s}) {
      if (row.starts_with('k') && damaged.empty()) continue;  // owns nothing
      ASSERT_TRUE(open_rows(directory())->Put({}, row, damaged).ok());
      const auto state = SweepState::open(directory());
      if (row == "m" || row.starts_with('p')) {
        EXPECT_TRUE(failed_as(state, row == "m" ? Error::Kind::rejected : Error::Kind::fatal));
        continue;
      }
      ASSERT_TRUE(state);
      Sweeper sweeper{**state, {}, clock_, metrics_};
      const auto results = sweeper.process(records(begin, end()));
      EXPECT_TRUE(failed_as(results.back(), Error::Kind::fatal)) << row;
      EXPECT_NE(results.back().error().message.find("remove the sweeper's directory"),
                std::string::npos);
      EXPECT_TRUE(std::ranges::is_partitioned(results, [](const auto& each) { return !!each; }));
    }
    ASSERT_TRUE(open_rows(directory())->Put({}, row, value).ok());
  }
  open();
  const auto keys = process(records(begin, end()));
  for (std::size_t i : {1U, 3U, 4U}) EXPECT_THAT(keys[i], SizeIs(1)) << i;
}

TEST_F(SweeperTest, refuses_the_state_of_another_program) {
  ASSERT_TRUE(open_rows(folder_.path() / "rows")->Put({}, "row", "value").ok());
  EXPECT_TRUE(failed_as(SweepState::open(folder_.path() / "rows"), Error::Kind::rejected));
  EXPECT_THAT(rows_of(*open_rows(folder_.path() / "rows")), SizeIs(1)) << "it was written to";
  std::ofstream{folder_.path() / "file"} << "x";
  EXPECT_TRUE(failed_as(SweepState::open(folder_.path() / "file"), Error::Kind::unavailable));
}

}  // namespace
}  // namespace millrace
