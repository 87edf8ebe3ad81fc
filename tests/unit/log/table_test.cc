#include "common/log/table.h"

#include <fstream>
#include <latch>

#include "embedded_log_fixture.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// A table that counts the records of each key and keeps the last value; "key/count" and "key".
class TableTest : public EmbeddedLogTest {
 protected:
  TableTest() { open_log(); }
  ~TableTest() override { close_log(); }

  void open_log() {
    open();
    view = make_segmented_log(*log);
    const std::vector<TopicSpec> topics{{.name = "states3", .partitions = 3, .compacted = true}};
    ASSERT_TRUE(view->create_topics(topics));
  }
  void close_log() {
    table.reset();
    view.reset();
    log.reset();
  }

  std::vector<TableChange> apply(const Record& record, const std::optional<std::string>& current) {
    ++applied;
    if (record.tombstone) return {{record.key, {}}, {record.key + "/seen", {}}};
    const std::string seen = current ? *current + "," + record.value : record.value;
    return {{record.key, seen}, {record.key + "/seen", "yes"}};
  }

  void open_table(const std::string& topic = "events") {
    table.reset();
    TableOptions settings;
    settings.name = "seen";
    settings.topic = topic;
    settings.directory = folder.path() / "table";
    settings.apply = [this](const Record& record, const std::optional<std::string>& current) {
      return apply(record, current);
    };
    auto opened = ::millrace::open_table(*view, std::move(settings), metrics);
    ASSERT_TRUE(opened) << opened.error().message;
    table = std::move(*opened);
  }

  static std::vector<std::string> keys(const std::vector<Table::Row>& rows) {
    std::vector<std::string> all;
    for (const Table::Row& each : rows) all.push_back(each.key);
    return all;
  }

  std::atomic<int> applied = 0;
  std::unique_ptr<Log> view;
  std::unique_ptr<Table> table;
};

TEST_F(TableTest, holds_what_its_applier_makes_of_the_topic) {
  append(*view, {make_record("events", "a", "1"), make_record("events", "a", "2")});
  open_table();
  EXPECT_EQ(table->get("b"), std::nullopt);
  append(*view, {make_record("events", "b", "3"), make_tombstone("events", "c")});
  append(*view, {make_record("events", "a", "4")});
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), "1,2,4");  // in one batch or in two
  EXPECT_EQ(table->get("b"), "3");
  EXPECT_EQ(table->get("c"), std::nullopt);
  append(*view, {make_tombstone("events", "a")});
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), std::nullopt);
  EXPECT_EQ(metric("table_lag_records{table=\"seen\"}"), 0);
}

TEST_F(TableTest, scans_a_prefix_in_key_order) {
  for (const char* key : {"b2", "a", "b1", "c", "b"})
    append(*view, {make_record("events", key, "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_THAT(keys(table->scan("b", "", 100)),
              ElementsAre("b", "b/seen", "b1", "b1/seen", "b2", "b2/seen"));
  EXPECT_THAT(keys(table->scan("b", "b/seen", 2)), ElementsAre("b1", "b1/seen"));
  EXPECT_THAT(keys(table->scan("b", "a", 1)), ElementsAre("b"));
  EXPECT_THAT(keys(table->scan("b", "b10", 1)), ElementsAre("b2"));
  EXPECT_THAT(table->scan("b", "b2/seen", 100), IsEmpty());
  EXPECT_THAT(table->scan("b", "c", 100), IsEmpty());
  EXPECT_THAT(table->scan("", "", 0), IsEmpty());
  EXPECT_THAT(keys(table->scan("", "c", 9)), ElementsAre("c/seen"));
}

TEST_F(TableTest, goes_on_where_it_stopped) {
  append(*view, {make_record("events", "a", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  close_log();
  open_log();
  append(*view, {make_record("events", "a", "2")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(applied, 2);
  EXPECT_EQ(table->get("a"), "1,2");
}

TEST_F(TableTest, is_made_again_when_its_directory_is_lost) {
  append(*view, {make_record("events", "a", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  table.reset();
  std::filesystem::remove_all(folder.path() / "table");
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), "1");
  EXPECT_EQ(applied, 2);
}

TEST_F(TableTest, is_made_again_when_its_directory_is_damaged) {
  append(*view, {make_record("events", "a", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  table.reset();
  for (const auto& each : std::filesystem::directory_iterator{folder.path() / "table"}) {
    const std::string name = each.path().filename().string();
    if (name.starts_with("MANIFEST")) std::ofstream{each.path()} << "not a manifest";
  }
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), "1");
  EXPECT_EQ(applied, 2);
}

TEST_F(TableTest, is_made_again_from_another_topic) {
  append(*view, {make_record("events", "a", "1"), make_record("states", "b", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  open_table("states");
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), std::nullopt);
  EXPECT_EQ(table->get("b"), "1");
}

TEST_F(TableTest, is_made_again_when_the_log_was_wiped) {
  append(*view, {make_record("events", "a", "1"), make_record("events", "b", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  close_log();
  std::filesystem::remove_all(options.directory);
  open_log();
  append(*view, {make_record("events", "c", "1")});
  open_table();
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("a"), std::nullopt);
  EXPECT_EQ(table->get("c"), "1");
}

TEST_F(TableTest, sees_large_records_whole_in_every_partition) {
  const std::string large = printable_text(2U << 20U, 1);
  for (int i = 0; i < 10; ++i) {
    append(*view, {make_record("states3", "small" + std::to_string(i), "1")});
  }
  append(*view, {make_record("states3", "large", large)});
  open_table("states3");
  ASSERT_TRUE(table->catch_up(kPatience));
  EXPECT_EQ(table->get("large"), large);
  EXPECT_THAT(table->scan("small", "", 100), testing::SizeIs(20));
}

TEST_F(TableTest, tells_when_a_position_is_applied) {
  open_table();
  std::latch told{2};
  table->when_applied({{{"events", 0}, 2}}, [&](bool is) {
    EXPECT_TRUE(is);
    EXPECT_EQ(table->get("a"), "1,2");
    told.count_down();
  });
  append(*view, {make_record("events", "a", "1"), make_record("events", "a", "2")});
  ASSERT_TRUE(table->catch_up(kPatience));
  table->when_applied({{{"events", 0}, 1}}, [&](bool is) {
    EXPECT_TRUE(is);
    told.count_down();
  });
  told.wait();
}

TEST_F(TableTest, tells_that_a_position_will_not_come) {
  open_table();
  int answers = 0;
  table->when_applied({{{"states", 0}, 1}}, [&](bool is) {
    EXPECT_FALSE(is);
    ++answers;
  });
  EXPECT_EQ(answers, 1);
  table->when_applied({{{"events", 0}, 99}}, [&](bool is) {
    EXPECT_FALSE(is);
    ++answers;
  });
  table.reset();
  EXPECT_EQ(answers, 2);
}

TEST_F(TableTest, catch_up_gives_up_after_its_wait) {
  open_table();
  std::latch held{1};
  std::latch released{1};
  table->when_applied({{{"events", 0}, 0}}, [&](bool) {
    held.count_down();
    released.wait();
  });
  held.wait();
  append(*view, {make_record("events", "a", "1")});
  EXPECT_FALSE(table->catch_up(milliseconds{1}));
  released.count_down();
  EXPECT_TRUE(table->catch_up(kPatience));
}

TEST_F(TableTest, needs_a_topic_that_exists) {
  TableOptions settings;
  settings.name = "none";
  settings.topic = "no-such-topic";
  settings.directory = folder.path() / "table";
  EXPECT_TRUE(failed_as(::millrace::open_table(*view, std::move(settings), metrics),
                        Error::Kind::rejected));
}

}  // namespace
}  // namespace millrace
