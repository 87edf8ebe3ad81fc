#include "gateway/lag_watch.h"

#include <gmock/gmock.h>

#include "gateway/stored_event.h"
#include "schemas/collection.h"
#include "schemas/document.h"
#include "schemas/topics.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_log.h"

namespace millrace {
namespace {

// Of collections: the rows that the gateway's table would have.
class Rows final : public Table {
 public:
  void set(const Collection& collection) {
    Record record = to_record(collection);
    record.partition = 0;
    record.offset = next_++;
    for (TableChange& change : collections_applier()(record, std::nullopt)) {
      rows_[change.key] = change.value.value_or("");
    }
  }
  std::optional<std::string> get(std::string_view) const override { return std::nullopt; }
  std::vector<Row> scan(std::string_view, std::string_view, std::size_t) const override {
    std::vector<Row> rows;
    for (const auto& [key, value] : rows_) rows.push_back({key, value});
    return rows;
  }
  bool catch_up(std::chrono::milliseconds) override { return true; }
  Status purge() override { return {}; }
  void when_applied(const Offsets&, std::function<void(bool)> done) override { done(true); }

 private:
  std::map<std::string, std::string> rows_;
  Offset next_ = 0;
};

class LagWatchTest : public testing::Test {
 protected:
  static constexpr std::int32_t kPartitions = 2;

  void SetUp() override { ASSERT_TRUE(log_->create_topics(topic_specs(kPartitions, 1))); }
  void append(const std::string& topic, std::int32_t partition, int records) {
    for (int i = 0; i < records; ++i) {
      Record record;
      record.topic = topic;
      record.partition = partition;
      record.key = "default/" + std::to_string(partition) + std::to_string(next_++);
      record.value = "{}";
      ASSERT_TRUE(log_->open_writer()->append({record}));
    }
  }
  void commit(const std::string& group, const std::string& topic, std::int32_t partition,
              Offset offset) {
    const auto session = log_->open_session({.group = group, .topics = {topic}});
    ASSERT_TRUE(session);
    ASSERT_TRUE((*session)->commit({}, {{{topic, partition}, offset}}));
  }
  double lag(const std::string& stage, int partition) {
    return metrics_
        .gauge("log_group_lag_records", "",
               {{"stage", stage}, {"partition", std::to_string(partition)}})
        .value();
  }
  double stalled(const std::string& stage) {
    return metrics_.gauge("log_group_stalled_seconds", "", {{"stage", stage}}).value();
  }

  MetricsRegistry metrics_;
  std::unique_ptr<Log> log_ = make_memory_log(metrics_);
  Rows collections_;
  FakeClock clock_;
  LagWatch watch_{*log_, collections_, clock_, metrics_};
  int next_ = 0;
};

TEST_F(LagWatchTest, sees_what_waits_for_a_stage_that_runs_nowhere) {
  append("documents", 1, 3);
  append("passages", 0, 2);
  append("cancellations", 0, 4);
  watch_.look();
  EXPECT_EQ(lag("extractor", 0), 0);
  EXPECT_EQ(lag("extractor", 1), 3);
  EXPECT_EQ(lag("answerer", 0), 6) << "of both of its topics";
  EXPECT_EQ(lag("chunker", 1), 0);
}

TEST_F(LagWatchTest, says_how_long_nothing_was_committed) {
  append("documents", 0, 3);
  watch_.look();
  EXPECT_EQ(stalled("extractor"), 0);
  clock_.advance(std::chrono::minutes{5});
  watch_.look();
  EXPECT_EQ(stalled("extractor"), 300);
  EXPECT_EQ(stalled("chunker"), 0) << "nothing waits for it";
  commit("extractor", "documents", 0, 1);
  watch_.look();
  EXPECT_EQ(stalled("extractor"), 0);
  EXPECT_EQ(lag("extractor", 0), 2);
  clock_.advance(std::chrono::minutes{1});
  watch_.look();
  EXPECT_EQ(stalled("extractor"), 60);
  commit("extractor", "documents", 0, 3);
  clock_.advance(std::chrono::minutes{1});
  watch_.look();
  EXPECT_EQ(stalled("extractor"), 0);
  EXPECT_EQ(lag("extractor", 0), 0);
}

TEST_F(LagWatchTest, follows_the_generations_that_are_in_use) {
  ASSERT_TRUE(log_->create_topics(generation_topic_specs(kPartitions, 7)));
  ASSERT_TRUE(log_->create_topics(generation_topic_specs(kPartitions, 8)));
  append("chunks.g7", 0, 5);
  append("chunks.g8", 0, 5);
  Collection books{.name = "books", .generation = 7};
  books.generations = {{.number = 1, .state = Generation::State::kept},
                       {.number = 7, .state = Generation::State::serving},
                       {.number = 8, .state = Generation::State::building}};
  collections_.set(books);
  watch_.look();
  EXPECT_EQ(lag("embedder.g7", 0), 5);
  EXPECT_EQ(metrics_.render().find("embedder.g8"), std::string::npos);
  clock_.advance(std::chrono::minutes{5});
  watch_.look();
  EXPECT_EQ(stalled("embedder.g7"), 300);

  books.generation = 1;
  books.generations = {{.number = 1, .state = Generation::State::serving}};
  collections_.set(books);
  watch_.look();
  EXPECT_EQ(lag("embedder.g7", 0), 0) << "it is gone";
  EXPECT_EQ(stalled("embedder.g7"), 0);
}

TEST_F(LagWatchTest, keeps_what_it_had_while_the_log_does_not_tell) {
  append("documents", 0, 3);
  append("texts", 0, 2);
  watch_.look();
  ASSERT_TRUE(log_->delete_topics(std::vector<std::string>{"documents"}));
  append("texts", 0, 2);
  watch_.look();
  EXPECT_EQ(lag("extractor", 0), 3);
  EXPECT_EQ(lag("chunker", 0), 4) << "the others go on";
}

TEST_F(LagWatchTest, looks_by_itself_until_it_is_stopped) {
  append("documents", 0, 3);
  watch_.start();
  while (lag("extractor", 0) != 3) std::this_thread::yield();
  append("documents", 0, 1);
  while (lag("extractor", 0) != 4) std::this_thread::yield();
  watch_.stop();
}

}  // namespace
}  // namespace millrace
