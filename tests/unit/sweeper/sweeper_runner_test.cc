#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <atomic>

#include "common/log/embedded_log.h"
#include "schemas/topics.h"
#include "tests/support/fake_clock.h"
#include "tests/support/watched_log.h"
#include "tests/unit/log/log_test_support.h"
#include "tests/unit/sweeper/sweeper_records.h"
#include "workers/runtime/runner.h"
#include "workers/sweeper/sweeper.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int32_t kPartitions = 2;

// The real runner over an unsegmented log that keeps every record, as Kafka does until it compacts.
class SweeperRunner : public ::testing::Test {
 protected:
  SweeperRunner() {
    EmbeddedLogOptions options;
    options.directory = "/log";
    options.env = env_.get();
    auto opened = open_embedded_log(options, clock_, metrics_);
    if (!opened) throw std::runtime_error{opened.error().message};
    log_ = std::make_unique<WatchedLog>(*std::move(opened));
    const std::chrono::hours long_enough{10'000};
    const std::vector<TopicSpec> specs{
        {std::string{kTestTopic}, kPartitions, false, long_enough, true},
        {std::string{topics::kDeadLetters}, 1, false, long_enough, true}};
    EXPECT_TRUE(log_->create_topics(specs));
    view_ = make_segmented_log(*log_);
    start();
  }
  ~SweeperRunner() override { runner_.reset(); }

  void start() {
    state_ = open_state(folder_.path());
    SweeperOptions stage_options;
    for (std::int32_t i = 0; i < kPartitions; ++i) {
      stage_options.partitions.push_back({std::string{kTestTopic}, i});
    }
    RunnerOptions options;
    options.stage = "sweeper";
    options.inputs = {std::string{kTestTopic}};
    options.outputs = options.inputs;
    options.poll_wait = std::chrono::milliseconds{5};
    runner_ = std::make_unique<Runner>(
        *log_, clock_, metrics_,
        std::make_unique<Sweeper>(*state_, stage_options, clock_, metrics_), options);
    const Status started = runner_->start([](const Error& error) { FAIL() << error.message; });
    ASSERT_TRUE(started) << started.error().message;
  }
  void append(std::string_view key, std::size_t bytes) {
    Record record = make_record(std::string{kTestTopic}, std::string{key}, std::string(bytes, 'x'));
    EXPECT_TRUE(view_->open_writer()->append({record}));
  }
  void drain() {
    ASSERT_TRUE(log_->wait_until([this] {
      const std::vector<std::string> inputs{std::string{kTestTopic}};
      for (const auto& [partition, end] : *end_offsets(*log_, inputs)) {
        if (end > (*log_->committed("sweeper", partition)).value_or(0)) return false;
      }
      return true;
    }));
  }
  // Keys of segments, then of tombstones among them, by the order in the log.
  std::vector<Record> stored(bool tombstones) {
    std::vector<Record> found;
    for (Record& each : read_topic(*log_, std::string{kTestTopic})) {
      if (is_earlier_segment(each) && each.tombstone == tombstones) {
        found.push_back(std::move(each));
      }
    }
    return found;
  }
  // Segments of the first records, in the order of the log, are what has tombstones.
  void expect_swept(std::size_t count) {
    const std::vector<Record> segments = stored(false);
    const std::vector<Record> tombstones = stored(true);
    ASSERT_EQ(tombstones.size(), count);
    ASSERT_GE(segments.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(tombstones[i].key, segments[i].key);
      EXPECT_EQ(tombstones[i].partition, segments[i].partition);
      EXPECT_FALSE(tombstones[i].header(headers::kSource).empty());
    }
  }

  const std::unique_ptr<rocksdb::Env> env_{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  TemporaryFolder folder_;
  FakeClock clock_;
  MetricsRegistry metrics_;
  std::unique_ptr<WatchedLog> log_;
  std::unique_ptr<Log> view_;
  std::unique_ptr<SweepState> state_;
  std::unique_ptr<Runner> runner_;
};

TEST_F(SweeperRunner, sweeps_what_the_segmenting_view_has_stored_and_readers_do_not_notice) {
  append("c/d", 3 * kSegmentBytes);
  append("c/e", 2 * kSegmentBytes);
  drain();
  EXPECT_THAT(stored(true), IsEmpty());
  append("c/d", 10);
  drain();
  expect_swept(2);
  const std::vector<Record> seen = read_topic(*view_, std::string{kTestTopic});
  ASSERT_THAT(seen, SizeIs(3));
  for (const Record& each : seen) EXPECT_FALSE(each.tombstone);
}

TEST_F(SweeperRunner, a_commit_that_fails_loses_no_tombstone) {
  append("c/d", 3 * kSegmentBytes);
  drain();
  std::atomic<int> failures{0};
  log_->set_commit_fault(
      [&](std::span<const Record> outputs, const Offsets&) -> std::optional<Error> {
        if (outputs.empty() || failures.fetch_add(1) >= 3) return std::nullopt;
        return unavailable("no broker");
      });
  append("c/d", 10);
  append("c/d", 20);
  drain();
  EXPECT_GT(failures, 3);
  expect_swept(2);
}

TEST_F(SweeperRunner, another_process_commits_what_the_first_one_could_not) {
  append("c/d", 3 * kSegmentBytes);
  drain();
  std::atomic<int> failures{0};
  log_->set_commit_fault(
      [&](std::span<const Record> outputs, const Offsets&) -> std::optional<Error> {
        if (outputs.empty()) return std::nullopt;
        ++failures;
        log_->notify();
        return unavailable("no broker");
      });
  append("c/d", 10);
  ASSERT_TRUE(log_->wait_until([&] { return failures > 0; }));
  runner_.reset();
  state_.reset();
  log_->set_commit_fault(nullptr);
  EXPECT_THAT(stored(true), IsEmpty());
  start();
  drain();
  expect_swept(2);
}

TEST_F(SweeperRunner, a_lost_state_is_built_again_from_the_beginning) {
  append("c/d", 2 * kSegmentBytes);
  drain();
  runner_.reset();
  state_.reset();
  std::filesystem::remove_all(folder_.path());
  start();
  append("c/d", 10);
  drain();
  expect_swept(1);
}

TEST_F(SweeperRunner, an_upload_that_never_ended_goes_after_a_day) {
  Record orphan = earlier_segment(segment_key_of("c/d", "A", 0));
  orphan.partition = -1;
  EXPECT_TRUE(log_->open_writer()->append({orphan}));
  drain();
  clock_.advance(kOrphanAge);
  append("c/d", 10);
  drain();
  expect_swept(1);
}

}  // namespace
}  // namespace millrace
