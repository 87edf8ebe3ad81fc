#include <gtest/gtest.h>

#include <map>

#include "common/trace.h"
#include "tests/support/function_stage.h"
#include "tests/unit/runtime/runner_records.h"

namespace millrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::SizeIs;

// Echoes, and counts how often it saw each value.
class CountingStage : public FunctionStage {
 public:
  CountingStage(std::map<std::string, int>& seen, Function function)
      : FunctionStage{[&seen, function = std::move(function)](const Record& record) {
          ++seen[record.value];
          return function(record);
        }} {}
};

TEST(Runner, passes_outputs_on_in_the_order_of_their_records) {
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
    Outputs outputs = echo(record);
    if (record.value == "none") return Outputs{};
    if (record.value == "twice") outputs.push_back(outputs.front());
    return outputs;
  })};
  driver.pipe_all(inputs({"one", "none", "twice", "last"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("one", "twice", "twice", "last"));
}

TEST(Runner, stamps_outputs_with_their_own_records_trace_and_position) {
  StageDriver driver{
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); })};
  std::vector<Record> records = inputs({"zero", "one"});
  const TraceContext trace = new_trace();
  records[1].set_header(headers::kTraceparent, trace.traceparent());
  driver.pipe_all(std::move(records));

  const std::vector<Record> outputs = driver.read(kOutput);
  ASSERT_THAT(outputs, SizeIs(2));
  EXPECT_EQ(outputs[0].header(headers::kSource), std::string{kInput} + ":0:0");
  EXPECT_EQ(outputs[1].header(headers::kSource), std::string{kInput} + ":0:1");
  EXPECT_TRUE(parse_traceparent(outputs[0].header(headers::kTraceparent)).has_value());
  const auto child = parse_traceparent(outputs[1].header(headers::kTraceparent));
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->trace_id, trace.trace_id);
  EXPECT_NE(child->span_id, trace.span_id);
}

TEST(Runner, dead_letters_a_rejected_record_and_commits_past_it) {
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
    if (record.value == "bad") return rejected("empty document");
    return echo(record);
  })};
  std::vector<Record> records = inputs({"before", "bad", "after"});
  records[1].set_header("mark", "kept");
  driver.pipe_all(std::move(records));

  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("before", "after"));
  EXPECT_EQ(driver.committed(kInput), 3);
  const std::vector<DeadLetter> letters = dead_letters(driver);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(format_position(letters[0].source), std::string{kInput} + ":0:1");
  EXPECT_EQ(letters[0].source_key, "key");
  EXPECT_THAT(letters[0].source_headers, ElementsAre(Header{"mark", "kept"}));
  EXPECT_EQ(letters[0].stage, "stage");
  EXPECT_EQ(letters[0].error.kind, Error::Kind::rejected);
  EXPECT_EQ(letters[0].error.message, "empty document");
  EXPECT_EQ(letters[0].attempts, 1);
  EXPECT_EQ(letters[0].value, "bad");
  EXPECT_THAT(driver.clock().sleeps(), IsEmpty());
}

TEST(Runner, names_the_dead_letter_that_a_record_was_sent_again_from_on_all_that_comes_of_it) {
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
    if (record.value == "bad") return rejected("again");
    return echo(record);
  })};
  std::vector<Record> records = inputs({"first", "good", "bad"});
  records[1].set_header(headers::kRedrivenFrom, "documents~0~1");
  records[2].set_header(headers::kRedrivenFrom, "documents~0~2");
  driver.pipe_all(std::move(records));
  const std::vector<Record> outputs = driver.read(kOutput);
  ASSERT_THAT(outputs, SizeIs(2));
  EXPECT_EQ(outputs[0].header(headers::kRedrivenFrom), "");
  EXPECT_EQ(outputs[1].header(headers::kRedrivenFrom), "documents~0~1");
  const std::vector<DeadLetter> letters = dead_letters(driver);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].source_header(headers::kRedrivenFrom), "documents~0~2");
}

TEST(Runner, sends_what_the_stage_says_of_a_record_it_gives_up_after_the_dead_letter) {
  class Stage : public FunctionStage {
   public:
    Stage() : FunctionStage{[](const Record&) -> Result<Outputs> { return rejected("no"); }} {}
    Outputs given_up(const Record& record, const Error& error) override {
      Outputs outputs = echo(record);
      outputs[0].value += " failed: " + error.message;
      return outputs;
    }
  };
  StageDriver driver{std::make_unique<Stage>()};
  driver.pipe(input("key", "a"));
  const std::vector<Record> outputs = driver.read(kOutput);
  ASSERT_THAT(values_of(outputs), ElementsAre("a failed: no"));
  EXPECT_EQ(outputs[0].header(headers::kSource), std::string{kInput} + ":0:0");
  EXPECT_THAT(dead_letters(driver), SizeIs(1));
}

TEST(Runner, tries_a_retryable_record_again_and_keeps_the_order_of_its_key) {
  std::map<std::string, int> seen;
  StageDriver driver{
      std::make_unique<CountingStage>(seen, [&](const Record& record) -> Result<Outputs> {
        if (record.value == "b" && seen["b"] < 4) return retryable("not yet");
        return echo(record);
      })};
  driver.pipe_all(inputs({"a", "b", "c"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(dead_letters(driver), IsEmpty());
  EXPECT_EQ(seen["a"], 1) << "committed before the record that failed";
  EXPECT_EQ(seen["b"], 4);
  EXPECT_THAT(driver.clock().sleeps(), SizeIs(3));
}

TEST(Runner, backs_off_between_attempts_within_the_bounds_of_the_policy) {
  StageDriverOptions options;
  options.retry = {8, std::chrono::milliseconds{100}, std::chrono::milliseconds{400}};
  StageDriver driver{stage_of([](const Record&) -> Result<Outputs> { return retryable("no"); }),
                     options};
  driver.pipe(input("key", "a"));
  const auto sleeps = driver.clock().sleeps();
  ASSERT_THAT(sleeps, SizeIs(7));
  EXPECT_LT(sleeps[0], std::chrono::milliseconds{100});
  EXPECT_LT(sleeps[1], std::chrono::milliseconds{200});
  EXPECT_THAT(sleeps, Each(Lt(std::chrono::milliseconds{400})));
}

TEST(Runner, dead_letters_a_record_that_has_spent_its_attempts_and_goes_on) {
  std::map<std::string, int> seen;
  StageDriverOptions options;
  options.retry.attempts_max = 3;
  StageDriver driver{std::make_unique<CountingStage>(seen,
                                                     [](const Record& record) -> Result<Outputs> {
                                                       if (record.value == "poison")
                                                         return retryable("never");
                                                       return echo(record);
                                                     }),
                     options};
  driver.pipe_all(inputs({"a", "poison", "b"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b"));
  EXPECT_EQ(seen["poison"], 3);
  const std::vector<DeadLetter> letters = dead_letters(driver);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].value, "poison");
  EXPECT_EQ(letters[0].attempts, 3);
  EXPECT_EQ(letters[0].error.kind, Error::Kind::retryable);
  EXPECT_EQ(driver.committed(kInput), 3);
}

TEST(Runner, finds_the_one_record_that_spoils_its_batch) {
  class Stage : public millrace::Stage {
   public:
    std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
      bool spoilt = false;
      for (const Record& record : batch) spoilt = spoilt || record.value == "poison";
      std::vector<Result<Outputs>> results;
      for (const Record& record : batch) {
        results.push_back(spoilt ? Result<Outputs>{retryable("model: 500")} : echo(record));
      }
      return results;
    }
  };
  StageDriverOptions options;
  options.retry.attempts_max = 2;
  StageDriver driver{std::make_unique<Stage>(), options};
  driver.pipe_all(inputs({"a", "b", "poison", "c", "d"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b", "c", "d"));
  const std::vector<DeadLetter> letters = dead_letters(driver);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].value, "poison");
}

TEST(Runner, commits_other_partitions_while_a_record_is_tried_again) {
  StageDriverOptions options;
  options.partitions = 4;
  options.poll_records_max = 64;
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
                       if (record.value == "poison") return retryable("never");
                       return echo(record);
                     }),
                     options};
  std::vector<Record> records;
  for (int i = 0; i < 40; ++i) {
    records.push_back(input("key-" + std::to_string(i), i == 0 ? "poison" : std::to_string(i)));
  }
  driver.pipe_all(std::move(records));
  EXPECT_THAT(driver.read(kOutput), SizeIs(39));
  EXPECT_THAT(dead_letters(driver), SizeIs(1));
}

TEST(Runner, counts_attempts_across_a_rewind) {
  std::map<std::string, int> seen;
  StageDriverOptions options;
  options.retry.attempts_max = 3;
  StageDriver driver{std::make_unique<CountingStage>(seen,
                                                     [](const Record& record) -> Result<Outputs> {
                                                       if (record.value == "poison")
                                                         return retryable("never");
                                                       return echo(record);
                                                     }),
                     options};
  int commits = 0;
  driver.log().set_commit_fault([&](auto, const Offsets&) -> std::optional<Error> {
    if (++commits == 1) return unavailable("broker is away");
    return std::nullopt;
  });
  driver.pipe_all(inputs({"a", "poison"}));
  EXPECT_EQ(seen["a"], 2) << "its commit failed once";
  EXPECT_EQ(seen["poison"], 3);
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a"));
  ASSERT_THAT(dead_letters(driver), SizeIs(1));
  EXPECT_EQ(dead_letters(driver)[0].attempts, 3);
}

TEST(Runner, pauses_while_a_dependency_is_down_without_spending_attempts) {
  std::map<std::string, int> seen;
  StageDriver driver{
      std::make_unique<CountingStage>(seen, [&](const Record& record) -> Result<Outputs> {
        if (record.value == "b" && seen["b"] <= 20) return unavailable("model is loading");
        return echo(record);
      })};
  ::testing::internal::CaptureStderr();
  driver.pipe_all(inputs({"a", "b", "c"}));
  driver.stop();
  const std::string lines = ::testing::internal::GetCapturedStderr();

  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(dead_letters(driver), IsEmpty());
  EXPECT_THAT(driver.clock().sleeps(), SizeIs(20));
  EXPECT_EQ(seen["a"], 21) << "the whole batch is held back";
  const auto times = [&](const std::string& event) {
    int count = 0;
    for (std::size_t at = lines.find(event); at != std::string::npos;
         at = lines.find(event, at + 1))
      ++count;
    return count;
  };
  EXPECT_EQ(times("stage_paused"), 1) << lines;
  EXPECT_EQ(times("stage_resumed"), 1) << lines;
  const std::string metrics = driver.metrics().render();
  EXPECT_THAT(metrics, HasSubstr("stage_paused{stage=\"stage\"} 0"));
  EXPECT_THAT(metrics, HasSubstr("stage_retries_total{kind=\"unavailable\",stage=\"stage\"} 20"));
}

TEST(Runner, pauses_while_the_log_cannot_be_read) {
  StageDriver driver{
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); })};
  std::atomic<int> polls = 0;
  driver.log().set_poll_fault([&]() -> std::optional<Error> {
    if (++polls <= 3) return unavailable("broker is away");
    return std::nullopt;
  });
  driver.pipe(input("key", "a"));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a"));
  driver.stop();
  EXPECT_THAT(driver.clock().sleeps(), SizeIs(3));
  EXPECT_THAT(driver.metrics().render(), HasSubstr("stage_paused{stage=\"stage\"} 0"));
}

TEST(Runner, dead_letters_the_record_whose_outputs_the_log_refuses) {
  StageDriver driver{
      stage_of([](const Record& record) -> Result<Outputs> { return echo(record); })};
  driver.log().set_commit_fault(
      [](std::span<const Record> outputs, const Offsets&) -> std::optional<Error> {
        for (const Record& output : outputs) {
          if (output.topic == kOutput && output.value == "huge") return rejected("too large");
        }
        return std::nullopt;
      });
  driver.pipe_all(inputs({"a", "huge", "b"}));
  EXPECT_THAT(values_of(driver.read(kOutput)), ElementsAre("a", "b"));
  const std::vector<DeadLetter> letters = dead_letters(driver);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].value, "huge");
  EXPECT_THAT(letters[0].error.message, HasSubstr("too large"));
}

TEST(Runner, stops_when_even_a_dead_letter_is_refused) {
  StageDriver driver{stage_of([](const Record&) -> Result<Outputs> { return rejected("no"); })};
  driver.log().set_commit_fault(
      [](std::span<const Record>, const Offsets&) -> std::optional<Error> {
        return rejected("too large");
      });
  driver.pipe(input("key", "a"));
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_THAT(driver.fatal_error()->message, HasSubstr("dead letter"));
  EXPECT_EQ(driver.committed(kInput), -1);
}

TEST(Runner, stops_on_a_fatal_error_and_commits_nothing_of_the_batch) {
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
    if (record.value == "b") return fatal("disk is gone");
    return echo(record);
  })};
  driver.pipe_all(inputs({"a", "b"}));
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_EQ(driver.fatal_error()->kind, Error::Kind::fatal);
  EXPECT_EQ(driver.fatal_error()->message, "disk is gone");
  EXPECT_THAT(driver.read(kOutput), IsEmpty());
  EXPECT_EQ(driver.committed(kInput), -1);
}

TEST(Runner, stops_when_a_stage_writes_to_a_topic_it_does_not_declare) {
  StageDriverOptions options;
  options.outputs = {std::string{topics::kTexts}};
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> { return echo(record); }),
                     options};
  driver.pipe(input("key", "a"));
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_THAT(driver.fatal_error()->message, HasSubstr("chunks.g1"));
  EXPECT_THAT(driver.read(kOutput), IsEmpty());
}

TEST(Runner, stops_when_results_and_records_do_not_pair) {
  class Stage : public millrace::Stage {
   public:
    std::vector<Result<Outputs>> process(std::span<const Record>) override { return {}; }
  };
  StageDriver driver{std::make_unique<Stage>()};
  driver.pipe(input("key", "a"));
  ASSERT_TRUE(driver.fatal_error().has_value());
  EXPECT_THAT(driver.fatal_error()->message, HasSubstr("0 results for 1 records"));
}

TEST(Runner, counts_records_and_dead_letters) {
  StageDriver driver{stage_of([](const Record& record) -> Result<Outputs> {
    if (record.value == "bad") return rejected("no");
    return echo(record);
  })};
  driver.pipe_all(inputs({"a", "bad", "b"}));
  driver.stop();
  const std::string metrics = driver.metrics().render();
  EXPECT_THAT(metrics, HasSubstr("stage_records_total{outcome=\"ok\",stage=\"stage\"} 2"));
  EXPECT_THAT(metrics,
              HasSubstr("stage_records_total{outcome=\"dead_lettered\",stage=\"stage\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("stage_dead_letters_total{stage=\"stage\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("stage_lag_records{stage=\"stage\"} 0"));
  EXPECT_THAT(metrics, HasSubstr("stage_batch_seconds_count{stage=\"stage\"}"));
  EXPECT_THAT(metrics, HasSubstr("stage_batch_records_count{stage=\"stage\"}"));
  EXPECT_THAT(metrics, HasSubstr("stage_commit_seconds_count{stage=\"stage\"}"));
}

}  // namespace
}  // namespace millrace
