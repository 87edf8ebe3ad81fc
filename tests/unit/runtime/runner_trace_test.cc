// The span of a record: who its parent is, what it says, what the record's outputs carry.
#include <gtest/gtest.h>

#include <utility>

#include "common/tracer.h"
#include "tests/support/function_stage.h"
#include "tests/support/span_keeper.h"
#include "tests/unit/runtime/runner_records.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class RunnerTraceTest : public ::testing::Test {
 protected:
  StageDriver& begin(FunctionStage::Function function) {
    StageDriverOptions options;
    options.stage = "echoer";
    options.tracer = &tracer;
    options.retry.attempts_max = 3;
    return driver.emplace(stage_of(std::move(function)), std::move(options));
  }
  // Once the runner has ended, and so all of its spans.
  std::vector<Span> spans() {
    driver->stop();
    return keeper.spans();
  }
  Record traced(const std::string& value, std::string_view traceparent) {
    Record record = input("key", value);
    record.set_header(headers::kTraceparent, std::string{traceparent});
    return record;
  }

  FakeClock clock;
  SpanKeeper keeper;
  const Tracer tracer{clock, keeper, 1};
  std::optional<StageDriver> driver;
};

TEST_F(RunnerTraceTest, links_a_record_to_its_source_and_its_outputs_to_it) {
  const TraceContext source = new_trace();
  begin([](const Record& record) -> Result<Outputs> {
    return echo(record);
  }).pipe(traced("a secret text", source.traceparent()));
  const std::vector<Record> outputs = driver->read(kOutput);
  ASSERT_THAT(spans(), SizeIs(1));
  const Span span = spans()[0];
  EXPECT_EQ(span.context.trace_id, source.trace_id);
  EXPECT_EQ(span.parent_span_id, source.span_id);
  EXPECT_EQ(span.name, "echoer " + std::string{kInput});
  EXPECT_EQ(span.kind, Span::Kind::consumer);
  EXPECT_FALSE(span.failed);
  EXPECT_TRUE(has(span, "messaging.consumer.group.name", std::string{"echoer"}));
  EXPECT_TRUE(has(span, "messaging.destination.name", std::string{kInput}));
  EXPECT_TRUE(has(span, "messaging.message.id", std::string{kInput} + ":0:0"));
  for (const auto& [key, value] : span.attributes) {
    EXPECT_NE(value, Span::Value{std::string{"a secret text"}}) << key;
  }
  ASSERT_THAT(outputs, SizeIs(1));
  EXPECT_EQ(outputs[0].header(headers::kTraceparent), span.context.traceparent());
}

TEST_F(RunnerTraceTest, has_a_span_for_a_record_without_outputs_or_trace) {
  begin([](const Record&) -> Result<Outputs> { return Outputs{}; }).pipe(input("key", "a"));
  ASSERT_THAT(spans(), SizeIs(1));
  EXPECT_EQ(spans()[0].parent_span_id, "");
}

TEST_F(RunnerTraceTest, has_a_failed_span_for_every_attempt_at_a_record) {
  const TraceContext source = new_trace();
  begin([](const Record&) -> Result<Outputs> {
    return retryable("not now");
  }).pipe(traced("bad", source.traceparent()));
  const std::vector<Record> letters = driver->read(topics::kDeadLetters);
  const std::vector<Span> attempts = spans();
  ASSERT_THAT(attempts, SizeIs(3));
  for (const Span& each : attempts) {
    EXPECT_EQ(each.parent_span_id, source.span_id);
    EXPECT_TRUE(each.failed);
    EXPECT_TRUE(has(each, "error.type", std::string{"retryable"}));
  }
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].header(headers::kTraceparent), attempts[2].context.traceparent());
}

TEST_F(RunnerTraceTest, has_no_span_for_a_commit_that_failed) {
  begin([](const Record& record) -> Result<Outputs> { return echo(record); });
  driver->append({input("key", "a")});
  int failures = 2;
  driver->log().set_commit_fault(
      [&failures](std::span<const Record>, const Offsets&) -> std::optional<Error> {
        if (failures-- <= 0) return std::nullopt;
        return unavailable("the log is down");
      });
  driver->drain();
  EXPECT_THAT(spans(), SizeIs(1));
}

TEST_F(RunnerTraceTest, passes_on_that_a_trace_is_not_sampled) {
  begin([](const Record& record) -> Result<Outputs> {
    return echo(record);
  }).pipe(traced("a", kUnsampled));
  const std::vector<Record> outputs = driver->read(kOutput);
  EXPECT_THAT(spans(), IsEmpty());
  ASSERT_THAT(outputs, SizeIs(1));
  const auto child = parse_traceparent(outputs[0].header(headers::kTraceparent));
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->sampled);
  EXPECT_EQ(child->trace_id, parse_traceparent(kUnsampled)->trace_id);
}

}  // namespace
}  // namespace millrace
