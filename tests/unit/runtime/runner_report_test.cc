// What a stage says of itself: when the runner asks for it, and in which commit it stands.
#include <gtest/gtest.h>

#include <mutex>

#include "tests/unit/runtime/runner_records.h"

namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const TopicPartition kPartition{std::string{kInput}, 0};

// Says what it is told to say, until that is stored.
class ReportingStage : public Stage {
 public:
  struct State {
    std::mutex mutex;
    std::string saying;  // empty: nothing
    std::string topic = kOutput;
    std::vector<TopicPartition> assigned;
    int asked = 0;

    void say(std::string what) {
      const std::lock_guard lock{mutex};
      saying = std::move(what);
    }
    std::string still_saying() {
      const std::lock_guard lock{mutex};
      return saying;
    }
  };
  explicit ReportingStage(State& state) : state_{state} {}

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
    std::vector<Result<Outputs>> results;
    for (const Record& record : batch) results.emplace_back(echo(record));
    return results;
  }
  Outputs report(const std::vector<TopicPartition>& assigned) override {
    const std::lock_guard lock{state_.mutex};
    ++state_.asked;
    state_.assigned = assigned;
    said_ = state_.saying;
    if (said_.empty()) return {};
    Record record;
    record.topic = state_.topic;
    record.key = "report";
    record.value = said_;
    return {record};
  }
  void reported() override {
    const std::lock_guard lock{state_.mutex};
    if (state_.saying == said_) state_.saying.clear();
  }

 private:
  State& state_;
  std::string said_;
};

StageDriverOptions options() {
  StageDriverOptions options;
  options.inputs = {std::string{kInput}};
  return options;
}

TEST(Runner, commits_a_report_together_with_the_outputs_of_a_batch) {
  ReportingStage::State state;
  state.say("fine");
  StageDriver driver{std::make_unique<ReportingStage>(state), options()};
  std::vector<std::vector<std::string>> commits;
  driver.log().set_commit_fault([&](std::span<const Record> outputs, const Offsets&) {
    commits.push_back(values_of({outputs.begin(), outputs.end()}));
    return std::optional<Error>{};
  });
  driver.pipe(input("key", "a"));
  driver.stop();
  EXPECT_THAT(commits, Contains(ElementsAre("a", "fine")));
  EXPECT_THAT(state.assigned, ElementsAre(kPartition));
  EXPECT_EQ(state.still_saying(), "");
}

TEST(Runner, commits_a_report_where_nothing_comes_and_offsets_with_it) {
  ReportingStage::State state;
  StageDriver driver{std::make_unique<ReportingStage>(state), options()};
  driver.pipe(input("key", "a"));
  Offsets with_report;
  driver.log().set_commit_fault([&](std::span<const Record> outputs, const Offsets& consumed) {
    if (outputs.size() == 1 && outputs[0].value == "merged") with_report = consumed;
    return std::optional<Error>{};
  });
  state.say("merged");
  ASSERT_TRUE(driver.log().wait_until([&] { return driver.read(kOutput).size() == 2; }));
  driver.stop();
  EXPECT_EQ(values_of(driver.read(kOutput)), (std::vector<std::string>{"a", "merged"}));
  EXPECT_THAT(with_report, ElementsAre(std::pair{kPartition, Offset{1}}));
}

TEST(Runner, tells_the_stage_of_a_report_only_once_it_is_stored) {
  ReportingStage::State state;
  state.say("again");
  StageDriver driver{std::make_unique<ReportingStage>(state), options()};
  int refused = 0;
  driver.log().set_commit_fault(
      [&](std::span<const Record>, const Offsets&) -> std::optional<Error> {
        if (refused == 3) return std::nullopt;
        ++refused;
        EXPECT_EQ(state.still_saying(), "again");
        return unavailable("the broker is away");
      });
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return !driver.read(kOutput).empty(); }));
  driver.stop();
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(driver.read(kOutput), SizeIs(1));
  EXPECT_EQ(state.still_saying(), "");
}

TEST(Runner, stops_at_a_report_on_a_topic_that_the_stage_does_not_declare) {
  ReportingStage::State state;
  state.topic = std::string{topics::kAnswers};
  state.say("lost");
  StageDriverOptions narrow = options();
  narrow.outputs = {kOutput};
  StageDriver driver{std::make_unique<ReportingStage>(state), narrow};
  driver.append(inputs({"a"}));
  driver.drain();
  ASSERT_TRUE(driver.fatal_error());
  EXPECT_THAT(driver.fatal_error()->message, ::testing::HasSubstr("does not declare"));
  EXPECT_THAT(driver.read(topics::kAnswers), IsEmpty());
}

}  // namespace
}  // namespace millrace
