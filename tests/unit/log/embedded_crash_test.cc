#include <fcntl.h>
#include <rocksdb/env.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <sstream>

#include "embedded_log_fixture.h"
#include "lossy_file_system.h"

namespace millrace {
namespace {

using testing::ElementsAre;

// The number in front of the dot.
int number_of(const Record& record) { return std::stoi(record.value); }

class EmbeddedCrash : public testing::Test {
 protected:
  // Runs crash_child until it has acknowledged `count` records, then kills it. All that it has
  // acknowledged by then is added to `acknowledged_`.
  void run_and_kill(std::size_t count) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const std::string directory = (folder_.path() / "log").string();
    const std::string first = std::to_string(acknowledged_.empty() ? 0 : next_);
    const char* const arguments[] = {MILLRACE_CRASH_CHILD, directory.c_str(), first.c_str(),
                                     nullptr};
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execv(arguments[0], const_cast<char* const*>(arguments));
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string lines;
    std::size_t seen = 0;
    char buffer[4096];
    for (ssize_t got = 1; got > 0;) {
      got = ::read(ends[0], buffer, sizeof buffer);
      if (got > 0) lines.append(buffer, static_cast<std::size_t>(got));
      const bool alive = seen < count;
      seen = static_cast<std::size_t>(std::ranges::count(lines, '\n'));
      if (alive && (seen >= count || got <= 0)) {
        ASSERT_EQ(::kill(child, SIGKILL), 0);
      }
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "crash_child ended by itself";
    std::istringstream numbers{lines.substr(0, lines.rfind('\n') + 1)};
    for (int number = 0; numbers >> number;) {
      acknowledged_.push_back(number);
      next_ = std::max(next_, number + 1'000);  // past what was on its way
    }
  }

  void check() {
    MetricsRegistry metrics;
    EmbeddedLogOptions options;
    options.directory = folder_.path() / "log";
    const auto base = open_embedded_log(options, system_clock(), metrics);
    ASSERT_TRUE(base) << base.error().message;
    const auto log = make_segmented_log(**base);
    std::set<int> stored;
    std::set<int> consumed;
    for (const Record& each : read_topic(*log, "events")) {
      EXPECT_TRUE(stored.insert(number_of(each)).second) << "twice: " << number_of(each);
      const auto committed = log->committed("copier", each.position().source);
      ASSERT_TRUE(committed);
      if (each.offset < committed->value_or(0)) consumed.insert(number_of(each));
    }
    for (const int each : acknowledged_) EXPECT_TRUE(stored.contains(each)) << "lost: " << each;
    std::set<int> copied;
    for (const Record& each : read_topic(*log, "copies")) {
      EXPECT_TRUE(copied.insert(number_of(each)).second) << "copied twice: " << number_of(each);
    }
    EXPECT_EQ(copied, consumed);
  }

  const std::vector<int>& acknowledged() const { return acknowledged_; }

 private:
  TemporaryFolder folder_;
  std::vector<int> acknowledged_;
  int next_ = 0;
};

TEST_F(EmbeddedCrash, keeps_every_acknowledged_record_once_when_the_process_is_killed) {
  for (const std::size_t count : {1U, 30U, 300U, 45U, 1'000U}) {
    run_and_kill(count);
    if (HasFatalFailure()) return;
    check();
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(acknowledged().size(), 1'376U);
}

class EmbeddedPowerCut : public EmbeddedLogTest {
 protected:
  EmbeddedPowerCut() { options.env = env_.get(); }
  ~EmbeddedPowerCut() override { log.reset(); }

  void cut_power() {
    disk->become(LossyFileSystem::State::broken);
    log.reset();
    disk->lose_what_was_not_synced();
    disk->become(LossyFileSystem::State::works);
  }

  std::shared_ptr<LossyFileSystem> disk = std::make_shared<LossyFileSystem>();

 private:
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(disk);
};

TEST_F(EmbeddedPowerCut, keeps_every_acknowledged_record_of_durable_topics) {
  constexpr std::size_t kRecords = 300;
  constexpr std::size_t kRecordsBeforeTheCut = 100;
  std::set<std::string> acknowledged;
  for (std::size_t round = 0; round < 4; ++round) {
    open();
    const auto writer = log->open_writer();
    std::mutex mutex;
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < kRecords; ++i) {
      const std::string value =
          std::to_string(round * kRecords + i) + "." + std::string(100'000, 'x');
      writer->append_async({make_record("events", "a", value), make_record("answers", "a", value)},
                           [&, value](const Result<std::vector<Position>>& stored) {
                             const std::lock_guard lock{mutex};
                             if (!stored) return;
                             acknowledged.insert(value);
                             ++fresh;
                           });
    }
    ASSERT_TRUE(eventually([&] {
      const std::lock_guard lock{mutex};
      return fresh >= kRecordsBeforeTheCut;
    }));
    cut_power();
    open();
    std::set<std::string> stored;
    for (const Record& each : read_topic(*log, "events")) {
      EXPECT_TRUE(stored.insert(each.value).second) << "twice";
    }
    for (const std::string& each : acknowledged) EXPECT_TRUE(stored.contains(each)) << "lost";
  }
}

TEST_F(EmbeddedPowerCut, never_keeps_an_output_without_the_offsets_it_was_committed_with) {
  open();
  append(*log, {make_record("events", "a", "1"), make_record("events", "a", "2")});
  {
    const auto session = open_session(*log, "copier", {"events"});
    const auto first = take(*session, 1);
    ASSERT_TRUE(session->commit(std::vector{make_record("states", "1", "x")}, consumed(first)));
    const auto second = take(*session, 1);
    disk->become(LossyFileSystem::State::broken);
    EXPECT_TRUE(
        failed_as(session->commit(std::vector{make_record("states", "2", "y")}, consumed(second)),
                  Error::Kind::fatal));
    EXPECT_THAT(values(read_topic(*log, "states")), ElementsAre("x"));
    EXPECT_EQ(*log->committed("copier", {"events", 0}), 1);
  }
  cut_power();
  open();
  EXPECT_THAT(values(read_topic(*log, "states")), ElementsAre("x"));
  EXPECT_EQ(*log->committed("copier", {"events", 0}), 1);
}

TEST_F(EmbeddedPowerCut, appends_are_unavailable_while_the_disk_is_full_and_go_on_after_it) {
  open();
  append(*log, {make_record("events", "a", "1"), make_record("answers", "a", "1")});
  disk->become(LossyFileSystem::State::full);
  for (const std::string topic : {"events", "answers"}) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(failed_as(log->open_writer()->append({make_record(topic, "a", "lost")}),
                            Error::Kind::unavailable));
    }
  }
  disk->become(LossyFileSystem::State::works);
  for (const std::string topic : {"events", "answers"}) {
    append(*log, {make_record(topic, "a", "2")});
    EXPECT_THAT(values(read_topic(*log, topic)), ElementsAre("1", "2"));
  }
  open();
  EXPECT_THAT(values(read_topic(*log, "events")), ElementsAre("1", "2"));
  EXPECT_THAT(values(read_topic(*log, "answers")), ElementsAre("1", "2"));
}

TEST_F(EmbeddedPowerCut, a_broken_disk_is_fatal_until_the_log_is_opened_again) {
  open();
  append(*log, {make_record("events", "a", "1")});
  disk->become(LossyFileSystem::State::broken);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(failed_as(log->open_writer()->append({make_record("events", "a", "lost")}),
                          Error::Kind::fatal));
  }
  disk->become(LossyFileSystem::State::works);
  EXPECT_TRUE(failed_as(log->open_writer()->append({make_record("events", "a", "lost")}),
                        Error::Kind::fatal));
  EXPECT_THAT(values(read_topic(*log, "events")), ElementsAre("1"));
  open();
  append(*log, {make_record("events", "a", "2")});
  EXPECT_THAT(values(read_topic(*log, "events")), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace millrace
