#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/support/function_stage.h"
#include "tests/unit/runtime/runner_records.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TopicPartition kPartition{std::string{kInput}, 0};

// Keeps what it was told: the values seen, the checkpoints made, and where it says it stands.
class StatefulStage : public Stage {
 public:
  struct State {
    std::vector<std::string> seen;
    std::vector<Offsets> checkpoints;
    Offsets restored;
  };
  explicit StatefulStage(State& state) : state_{state} {}

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
    std::vector<Result<Outputs>> results;
    for (const Record& record : batch) {
      state_.seen.push_back(record.value);
      results.emplace_back(echo(record));
    }
    return results;
  }
  Status checkpoint(const Offsets& consumed) override {
    state_.checkpoints.push_back(consumed);
    return {};
  }
  Offsets restored() const override { return state_.restored; }

 private:
  State& state_;
};

// Answers later: its offsets are settled when the test says so, or when it is stopped.
class ConcurrentStage : public Stage {
 public:
  struct State {
    std::atomic<Offset> settled{0};
    std::atomic<Offset> settled_by_stop{-1};
    std::atomic<int> processed{0};
    std::atomic<int> stops{0};
  };
  explicit ConcurrentStage(State& state) : state_{state} {}

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
    state_.processed += static_cast<int>(batch.size());
    return std::vector<Result<Outputs>>(batch.size(), Outputs{});
  }
  Offsets settled(const Offsets& consumed) override {
    Offsets offsets = consumed;
    for (auto& [partition, offset] : offsets) offset = state_.settled;
    return offsets;
  }
  void stop() override {
    ++state_.stops;
    if (state_.settled_by_stop >= 0) state_.settled = state_.settled_by_stop.load();
  }

 private:
  State& state_;
};

TEST(Runner, makes_a_checkpoint_before_each_commit) {
  StatefulStage::State state;
  StageDriver driver{std::make_unique<StatefulStage>(state)};
  std::vector<std::size_t> checkpoints_at_commit;
  driver.log().set_commit_fault([&](auto, const Offsets&) -> std::optional<Error> {
    checkpoints_at_commit.push_back(state.checkpoints.size());
    return std::nullopt;
  });
  driver.pipe_all(inputs({"a", "b"}));
  driver.pipe(input("key", "c"));
  driver.stop();
  EXPECT_THAT(checkpoints_at_commit, ElementsAre(1, 2));
  EXPECT_THAT(state.checkpoints, ElementsAre(Offsets{{kPartition, 2}}, Offsets{{kPartition, 3}}));
}

TEST(Runner, processes_a_batch_again_whose_commit_failed_and_stores_its_outputs_once) {
  StatefulStage::State state;
  StageDriver driver{std::make_unique<StatefulStage>(state)};
  int commits = 0;
  driver.log().set_commit_fault([&](auto, const Offsets&) -> std::optional<Error> {
    if (++commits == 1) return retryable("aborted");
    return std::nullopt;
  });
  driver.pipe_all(inputs({"a", "b"}));
  driver.stop();
  EXPECT_THAT(state.seen, ElementsAre("a", "b", "a", "b"));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b"));
  EXPECT_EQ(driver.committed(kInput), 2);
}

TEST(Runner, replays_what_was_checkpointed_but_not_committed_when_it_crashed) {
  StatefulStage::State state;
  StageDriver driver{std::make_unique<StatefulStage>(state)};
  driver.log().set_commit_fault(
      [](auto, const Offsets&) -> std::optional<Error> { return fatal("killed"); });
  driver.pipe_all(inputs({"a", "b"}));
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_THAT(driver.read(kOutput), IsEmpty());

  driver.log().set_commit_fault({});
  state.restored = state.checkpoints.back();  // ahead of the group
  driver.restart_with(std::make_unique<StatefulStage>(state));
  driver.drain();
  driver.stop();
  EXPECT_THAT(state.seen, ElementsAre("a", "b", "a", "b"));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b"));
}

TEST(Runner, begins_at_the_restored_offset_where_that_is_before_the_committed_one) {
  StatefulStage::State state;
  StageDriver driver{std::make_unique<StatefulStage>(state)};
  driver.pipe_all(inputs({"a", "b", "c"}));
  driver.stop();

  state.seen.clear();
  state.restored = {{kPartition, 1}};
  driver.restart_with(std::make_unique<StatefulStage>(state));
  driver.pipe(input("key", "d"));
  driver.stop();
  EXPECT_THAT(state.seen, ElementsAre("b", "c", "d"));
  EXPECT_EQ(driver.committed(kInput), 4);
}

TEST(Runner, keeps_the_restored_offset_through_a_rewind_before_the_first_commit) {
  StatefulStage::State state;
  StageDriver driver{std::make_unique<StatefulStage>(state)};
  driver.pipe_all(inputs({"a", "b", "c"}));
  driver.stop();

  state.seen.clear();
  state.restored = {{kPartition, 1}};
  std::atomic<int> polls = 0;
  driver.log().set_poll_fault([&]() -> std::optional<Error> {
    if (++polls <= 2) return unavailable("broker is away");
    return std::nullopt;
  });
  driver.restart_with(std::make_unique<StatefulStage>(state));
  driver.pipe(input("key", "d"));
  driver.stop();
  EXPECT_THAT(state.seen, ElementsAre("b", "c", "d"));
}

TEST(Runner, commits_no_further_than_a_concurrent_stage_has_settled) {
  ConcurrentStage::State state;
  StageDriver driver{std::make_unique<ConcurrentStage>(state)};
  driver.append(inputs({"a", "b", "c"}));
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return state.processed == 3; }));
  EXPECT_LE(driver.committed(kInput), 0);

  state.settled = 2;  // nothing new arrives: the runner asks by itself
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.committed(kInput) == 2; }));
  state.settled = 1'000;  // more than was consumed
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.committed(kInput) == 3; }));
  EXPECT_EQ(state.processed, 3) << "nothing is processed again";
}

TEST(Runner, counts_unsettled_records_as_lag) {
  ConcurrentStage::State state;
  StageDriver driver{std::make_unique<ConcurrentStage>(state)};
  driver.append(inputs({"a", "b", "c"}));
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return state.processed == 3; }));
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.runner().lag() == 3; }));
  state.settled = 3;
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.runner().lag() == 0; }));
}

// Another member processes what it leaves, however long it waits for its place.
TEST(Runner, has_no_lag_while_it_has_no_partitions) {
  StageDriver driver{
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); })};
  driver.log().set_commit_fault([&](const auto&, const auto&) -> std::optional<Error> {
    driver.log().set_fenced(true);
    return unavailable("fenced");
  });
  driver.append(inputs({"a", "b", "c"}));
  driver.start();
  EXPECT_TRUE(driver.log().wait_until([&] { return driver.runner().lag() == 0; }));

  driver.log().set_commit_fault({});
  driver.log().set_fenced(false);
  driver.drain();
  EXPECT_EQ(driver.committed(kInput), 3);
}

TEST(Runner, commits_what_the_stage_settles_while_it_is_stopped) {
  ConcurrentStage::State state;
  StageDriver driver{std::make_unique<ConcurrentStage>(state)};
  driver.append(inputs({"a", "b", "c"}));
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return state.processed == 3; }));
  state.settled_by_stop = 3;
  driver.stop();
  EXPECT_EQ(state.stops, 1);
  EXPECT_EQ(driver.committed(kInput), 3);
}

TEST(Runner, finishes_the_batch_in_hand_when_it_is_stopped_and_begins_no_other) {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool released = false;
  StageDriverOptions options;
  options.poll_records_max = 1;
  StageDriver driver{stage_of([&](const Record& record) -> Result<Outputs> {
                       std::unique_lock lock{mutex};
                       entered = true;
                       changed.notify_all();
                       changed.wait(lock, [&] { return released; });
                       return echo(record);
                     }),
                     options};
  driver.append(inputs({"a", "b"}));
  driver.start();
  {
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return entered; });
  }
  std::jthread stopper{[&] { driver.stop(); }};
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.log().wakes() == 1; }));
  {
    const std::lock_guard lock{mutex};
    released = true;
  }
  changed.notify_all();
  stopper.join();
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a"));
  EXPECT_EQ(driver.committed(kInput), 1);
}

TEST(Runner, ends_a_backoff_when_it_is_stopped) {
  // On the machine's clock: if stop() did not end the wait, the test would hang for hours.
  StageDriver driver{std::unique_ptr<Stage>{}};
  driver.append(inputs({"a"}));
  std::atomic<int> tries = 0;
  RunnerOptions options;
  options.stage = "impatient";
  options.inputs = {std::string{kInput}};
  options.retry.backoff = options.retry.backoff_max = std::chrono::hours{1'000};
  Runner runner{driver.log(), system_clock(), driver.metrics(),
                stage_of([&](const Record&) -> Result<Outputs> {
                  ++tries;
                  driver.log().notify();
                  return unavailable("model is loading");
                }),
                options};
  ASSERT_TRUE(runner.start({}).has_value());
  ASSERT_TRUE(driver.log().wait_until([&] { return tries > 0; }));
  runner.stop();
  EXPECT_THAT(driver.read(kOutput), IsEmpty());
}

TEST(Runner, stops_while_a_dependency_is_down_and_leaves_the_batch_uncommitted) {
  StageDriver driver{stage_of([](const Record&) -> Result<Outputs> { return unavailable("no"); })};
  driver.append(inputs({"a"}));
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.clock().sleeps().size() > 3; }));
  driver.stop();
  EXPECT_EQ(driver.committed(kInput), -1);

  driver.restart_with(
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); }));
  driver.drain();
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a"));
}

TEST(Runner, carries_on_behind_a_record_of_many_segments) {
  StageDriver driver{
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); })};
  const std::string huge(3'000'000, 'x');
  driver.pipe_all(inputs({"a", huge, "b"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", huge, "b"));
}

TEST(Runner, runs_at_least_once_for_topics_that_are_not_durable) {
  StageDriverOptions options;
  options.exactly_once = false;
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
                       if (record.value == "bad") return rejected("no");
                       Outputs outputs = echo(record);
                       outputs[0].topic = topics::kAnswers;
                       return outputs;
                     }),
                     options};
  std::vector<Record> records = inputs({"a", "bad", "b"});
  for (Record& record : records) record.topic = topics::kQueries;
  driver.pipe_all(std::move(records));
  EXPECT_THAT(values_of(driver.read(topics::kAnswers)), ElementsAre("a", "b"));
  EXPECT_EQ(dead_letters(driver).size(), 1U);
}

TEST(Runner, does_not_start_without_its_topics) {
  StageDriverOptions options;
  options.inputs = {std::string{kInput}};
  options.outputs = {"no-such-topic"};
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> { return echo(record); }),
                     options};
  driver.start();
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_THAT(driver.fatal_error()->message, HasSubstr("no-such-topic"));
}

}  // namespace
}  // namespace millrace
