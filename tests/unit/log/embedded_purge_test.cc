// What leaves the embedded log leaves its files, when somebody asks for it.
#include <thread>

#include "common/log/table.h"
#include "embedded_log_fixture.h"
#include "tests/support/raw_search.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

class EmbeddedPurgeTest : public EmbeddedLogTest {
 protected:
  void SetUp() override { open(); }

  // Values that no compression finds anything in, with a mark that a raw search finds.
  static std::string value_of(const std::string& mark, unsigned seed, std::size_t bytes = 3'000) {
    return printable_text(bytes, seed) + mark + printable_text(bytes, seed + 1);
  }
  std::vector<std::string> files(const std::string& mark) const {
    return files_with(folder.path(), mark);
  }
  void purge() {
    const std::vector<std::string> topics{"states", "letters", "events", "answers"};
    const auto begun = log->begin_purge(topics);
    ASSERT_TRUE(begun) << begun.error().message;
    const auto done = log->purge(*begun);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE(*done);
  }
};

TEST_F(EmbeddedPurgeTest, a_superseded_record_leaves_every_file) {
  append(*log, {make_record("states", "a", value_of("MARK-OLD-A", 1))});
  append(*log, {make_record("states", "b", value_of("MARK-KEPT-B", 3))});
  purge();  // into the lowest files
  EXPECT_THAT(files("MARK-OLD-A"), Not(IsEmpty())) << "the search does not see what is there";
  append(*log, {make_record("states", "a", value_of("MARK-NEW-A", 5))});
  append(*log, {make_tombstone("states", "c")});
  purge();
  EXPECT_THAT(files("MARK-OLD-A"), IsEmpty());
  EXPECT_THAT(files("MARK-NEW-A"), Not(IsEmpty()));
  EXPECT_THAT(files("MARK-KEPT-B"), Not(IsEmpty()));
  EXPECT_EQ(read_topic(*log, "states").size(), 3U);
}

TEST_F(EmbeddedPurgeTest, one_of_many_leaves_and_the_others_stay) {
  constexpr int kRecords = 2'000;
  for (int i = 0; i < kRecords; ++i) {
    const std::string number = std::to_string(i);
    append(*log, {make_record("states", "k" + number,
                              value_of("MARK-" + number + "-OLD", static_cast<unsigned>(i), 500))});
  }
  purge();
  for (const int i : {0, 1, 700, kRecords - 1}) {
    append(*log, {make_record("states", "k" + std::to_string(i), "new")});
  }
  purge();
  for (const int i : {0, 1, 700, kRecords - 1}) {
    EXPECT_THAT(files("MARK-" + std::to_string(i) + "-OLD"), IsEmpty()) << i;
  }
  EXPECT_THAT(files("MARK-2-OLD"), Not(IsEmpty()));
  EXPECT_EQ(read_topic(*log, "states").size(), static_cast<std::size_t>(kRecords));
}

TEST_F(EmbeddedPurgeTest, what_a_restart_came_between_is_purged_as_well) {
  append(*log, {make_record("states", "a", value_of("MARK-OLD-A", 1))});
  purge();
  append(*log, {make_tombstone("states", "a")});
  open();
  purge();
  EXPECT_THAT(files("MARK-OLD-A"), IsEmpty());
}

TEST_F(EmbeddedPurgeTest, segments_of_a_large_record_leave_with_it) {
  const auto segmented = make_segmented_log(*log);
  const std::string large = value_of("MARK-LARGE", 1, 2 * kSegmentBytes);
  append(*segmented, {make_record("states", "a", large)});
  purge();
  EXPECT_THAT(files("MARK-LARGE"), Not(IsEmpty()));
  append(*segmented, {make_record("states", "a", "small")});
  purge();
  EXPECT_THAT(files("MARK-LARGE"), IsEmpty());
}

TEST_F(EmbeddedPurgeTest, what_was_trimmed_is_not_seen_at_once_and_leaves_with_the_next_purge) {
  for (const std::string topic : {"events", "answers"}) {
    append(*log, {make_record(topic, "a", value_of("MARK-FIRST", 1))});
    append(*log, {make_record(topic, "a", value_of("MARK-SECOND", 3))});
    ASSERT_TRUE(log->trim({{{topic, 0}, 1}}));
    EXPECT_EQ(log->begin_offset({topic, 0}).value(), 1);
    EXPECT_EQ(read_topic(*log, topic).size(), 1U);
    ASSERT_TRUE(log->trim({{{topic, 0}, 0}})) << "what is gone already";
    EXPECT_EQ(log->begin_offset({topic, 0}).value(), 1);
  }
  purge();
  EXPECT_THAT(files("MARK-FIRST"), IsEmpty());
  EXPECT_THAT(files("MARK-SECOND"), Not(IsEmpty()));
  open();
  EXPECT_EQ(log->begin_offset({"events", 0}).value(), 1);
  ASSERT_TRUE(log->trim({{{"events", 0}, 99}}));
  EXPECT_EQ(log->begin_offset({"events", 0}).value(), 2) << "not past the end";
}

TEST_F(EmbeddedPurgeTest, trimming_what_is_compacted_is_refused) {
  append(*log, {make_record("states", "a", "1")});
  EXPECT_TRUE(failed_as(log->trim({{{"states", 0}, 1}}), Error::Kind::rejected));
  EXPECT_TRUE(failed_as(log->trim({{{"nothing", 0}, 1}}), Error::Kind::rejected));
  EXPECT_EQ(read_topic(*log, "states").size(), 1U);
}

TEST_F(EmbeddedPurgeTest, what_is_over_its_time_leaves_without_a_trim_before) {
  append(*log, {make_record("answers", "a", value_of("MARK-OVER", 1))});
  append(*log, {make_record("letters", "a", value_of("MARK-LETTER", 3))});
  clock.advance(std::chrono::hours{24 * 31});
  purge();
  EXPECT_THAT(files("MARK-OVER"), IsEmpty());
  EXPECT_THAT(files("MARK-LETTER"), IsEmpty());
}

TEST_F(EmbeddedPurgeTest, a_deleted_topic_leaves_every_file) {
  append(*log, {make_record("states", "a", value_of("MARK-STATE", 1))});
  append(*log, {make_record("events", "a", value_of("MARK-EVENT", 3))});
  purge();
  ASSERT_TRUE(log->delete_topics(std::vector<std::string>{"states"}));
  purge();
  EXPECT_THAT(files("MARK-STATE"), IsEmpty());
  EXPECT_THAT(files("MARK-EVENT"), Not(IsEmpty()));
}

TEST_F(EmbeddedPurgeTest, records_can_be_written_and_read_while_it_is_purged) {
  for (int i = 0; i < 500; ++i) {
    append(*log, {make_record("states", "k" + std::to_string(i % 50),
                              value_of("MARK", static_cast<unsigned>(i), 500))});
  }
  std::thread purging{[this] { purge(); }};
  for (int i = 0; i < 200; ++i) {
    append(*log, {make_record("states", "k" + std::to_string(i % 50), std::to_string(i))});
  }
  purging.join();
  const auto records = read_topic(*log, "states");
  ASSERT_EQ(records.size(), 50U);
  EXPECT_EQ(records.back().value, "199");
  purge();
  EXPECT_THAT(files("MARK"), IsEmpty());
}

TEST_F(EmbeddedPurgeTest, a_table_keeps_nothing_of_what_was_replaced) {
  TableOptions table_options;
  table_options.name = "states";
  table_options.topic = "states";
  table_options.directory = folder.path() / "table";
  table_options.apply = [](const Record& record, const std::optional<std::string>&) {
    return std::vector<TableChange>{{record.key, record.value}};
  };
  const auto table = open_table(*log, table_options, metrics);
  ASSERT_TRUE(table) << table.error().message;
  append(*log, {make_record("states", "a", value_of("MARK-OLD", 1))});
  ASSERT_TRUE((*table)->catch_up(kPatience));
  ASSERT_TRUE((*table)->purge());
  EXPECT_THAT(files_with(table_options.directory, "MARK-OLD"), Not(IsEmpty()));
  append(*log, {make_record("states", "a", value_of("MARK-NEW", 3))});
  ASSERT_TRUE((*table)->catch_up(kPatience));
  ASSERT_TRUE((*table)->purge());
  EXPECT_THAT(files_with(table_options.directory, "MARK-OLD"), IsEmpty());
  EXPECT_THAT(files_with(table_options.directory, "MARK-NEW"), Not(IsEmpty()));
}

}  // namespace
}  // namespace millrace
