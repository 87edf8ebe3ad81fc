#include <rocksdb/env.h>

#include <thread>

#include "embedded_log_fixture.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(EmbeddedLogTest, stores_all_that_waits_as_one_batch) {
  open();
  const auto writer = log->open_writer();
  WriterHold hold{*writer, "events"};
  const double before = metric("log_commit_seconds_count{lane=\"durable\"}");
  std::latch stored{500};
  for (int i = 0; i < 500; ++i) {
    writer->append_async({make_record("events", "a", std::to_string(i))},
                         [&](const Result<std::vector<Position>>& positions) {
                           EXPECT_TRUE(positions);
                           stored.count_down();
                         });
  }
  EXPECT_EQ(metric("log_queue_records"), 500);
  hold.release();
  stored.wait();
  append(*log, {make_record("events", "a", "last")});  // after this the batch was counted
  EXPECT_EQ(metric("log_commit_seconds_count{lane=\"durable\"}"), before + 2);
  EXPECT_EQ(metric("log_append_records_total{topic=\"events\"}"), 502);
  EXPECT_EQ(metric("log_queue_records"), 0);
}

TEST_F(EmbeddedLogTest, refuses_appends_at_once_when_its_queue_is_full) {
  options.queue_records_max = 10;
  options.queue_bytes_max = 1'000;
  open();
  const auto writer = log->open_writer();
  const auto refused = [&](Record record) {
    std::optional<Error> error;
    writer->append_async({std::move(record)}, [&](const Result<std::vector<Position>>& stored) {
      error = stored.error();
    });
    return error;
  };
  std::latch stored{11};
  const auto count = [&](const Result<std::vector<Position>>& positions) {
    EXPECT_TRUE(positions);
    stored.count_down();
  };
  {
    const WriterHold hold{*writer, "events"};
    for (int i = 0; i < 10; ++i) writer->append_async({make_record("events", "a", "1")}, count);
    const auto error = refused(make_record("answers", "a", "the bound is for both lanes"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, Error::Kind::unavailable);
  }
  ASSERT_TRUE(eventually([&] { return metric("log_queue_records") == 0; }));
  {
    const WriterHold hold{*writer, "events"};
    writer->append_async({make_record("events", "a", std::string(900, 'x'))}, count);
    const auto error = refused(make_record("events", "a", std::string(100, 'x')));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, Error::Kind::unavailable);
  }
  stored.wait();
  const auto never = refused(make_record("events", "a", std::string(1'001, 'x')));
  ASSERT_TRUE(never);
  EXPECT_EQ(never->kind, Error::Kind::rejected);
  append(*log, {make_record("events", "a", "there is room again")});
}

TEST_F(EmbeddedLogTest, a_question_does_not_wait_for_an_upload) {
  open();
  const auto writer = log->open_writer();
  const WriterHold hold{*writer, "events"};  // as a slow disk would
  append(*log, {make_record("answers", "a", "1")});
  EXPECT_THAT(values(read_topic(*log, "answers")), ElementsAre("1"));
}

TEST_F(EmbeddedLogTest, is_open_in_one_process_only) {
  open();
  const auto second = open_embedded_log(options, clock, metrics);
  ASSERT_TRUE(failed_as(second, Error::Kind::rejected));
  EXPECT_THAT(second.error().message, HasSubstr(options.directory.string()));
  EXPECT_THAT(second.error().message, HasSubstr("another millrace"));
}

TEST_F(EmbeddedLogTest, gives_a_group_one_session_per_topic_at_a_time) {
  open();
  auto session = log->open_session({"readers", {"events", "states"}, true});
  ASSERT_TRUE(session);
  EXPECT_TRUE(failed_as(log->open_session({"readers", {"answers", "states"}, true}),
                        Error::Kind::rejected));
  EXPECT_TRUE(log->open_session({"readers", {"answers"}, true}));
  EXPECT_TRUE(log->open_session({"others", {"states"}, true}));
  EXPECT_TRUE(
      failed_as(log->open_session({"readers", {"no-such-topic"}, true}), Error::Kind::rejected));
  EXPECT_TRUE(failed_as(log->open_session({"", {"events"}, true}), Error::Kind::rejected));
  session->reset();
  EXPECT_TRUE(log->open_session({"readers", {"answers", "states"}, true}));
}

TEST_F(EmbeddedLogTest, seek_past_the_end_is_rejected_since_the_log_was_wiped) {
  open();
  append(*log, {make_record("events", "a", "1")});
  const auto session = open_session(*log, "readers", {"events"});
  EXPECT_TRUE(failed_as(session->seek({{{"events", 0}, 2}}), Error::Kind::rejected));
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("1"));
}

TEST_F(EmbeddedLogTest, a_topic_keeps_its_kind) {
  open();
  const std::vector<TopicSpec> compacted{{.name = "events", .compacted = true}};
  EXPECT_TRUE(failed_as(log->create_topics(compacted), Error::Kind::rejected));
  const std::vector<TopicSpec> fleeting{{.name = "events", .durable = false}};
  EXPECT_TRUE(failed_as(log->create_topics(fleeting), Error::Kind::rejected));
}

TEST_F(EmbeddedLogTest, deletes_no_topic_that_is_read) {
  open();
  const std::vector<std::string> doomed{"states"};
  auto session = log->open_session({"readers", doomed, true});
  ASSERT_TRUE(session);
  EXPECT_TRUE(failed_as(log->delete_topics(doomed), Error::Kind::rejected));
  session->reset();
  auto reader = log->open_reader({{{"states", 0}, 0}});
  EXPECT_TRUE(failed_as(log->delete_topics(doomed), Error::Kind::rejected));
  reader->reset();
  EXPECT_TRUE(log->delete_topics(doomed));
}

TEST_F(EmbeddedLogTest, a_topic_that_was_deleted_and_made_anew_has_nothing_of_the_former) {
  open();
  const std::vector<std::string> doomed{"zebras"};  // the one with the highest number
  const std::vector<TopicSpec> specs{{.name = "zebras", .compacted = true}};
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(log->create_topics(specs));
    auto session = open_session(*log, "readers", doomed);
    EXPECT_EQ(session->lag(), 0);
    append(*log, {make_record("zebras", "a", "1"), make_tombstone("zebras", "b")});
    take(*session, 2);
    ASSERT_TRUE(session->commit({}, session->positions()));
    EXPECT_THAT(read_topic(*log, "zebras"), SizeIs(2));
    session.reset();
    ASSERT_TRUE(log->delete_topics(doomed));
    if (round == 1) open();
  }
}

TEST_F(EmbeddedLogTest, lives_in_memory_when_it_is_given_an_environment_there) {
  const std::unique_ptr<rocksdb::Env> memory{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  options.env = memory.get();
  open();
  append(*log, {make_record("events", "a", "1"), make_record("answers", "b", "2")});
  open();
  EXPECT_THAT(values(read_topic(*log, "events")), ElementsAre("1"));
  EXPECT_THAT(values(read_topic(*log, "answers")), ElementsAre("2"));
  EXPECT_FALSE(std::filesystem::exists(options.directory));
  log.reset();
}

TEST_F(EmbeddedLogTest, says_which_directory_it_cannot_use) {
  options.directory = "/proc/no-such-place";
  const auto opened = open_embedded_log(options, clock, metrics);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("/proc/no-such-place"));
}

TEST_F(EmbeddedLogTest, appends_from_many_threads_all_arrive_once) {
  open();
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        const auto writer = log->open_writer();
        for (int i = 0; i < kEach; ++i) {
          const std::string topic = i % 2 == 0 ? "events" : "answers";
          const auto stored = writer->append(
              {make_record(topic, "a", std::to_string(thread) + "/" + std::to_string(i))});
          EXPECT_TRUE(stored);
        }
      });
    }
  }
  std::vector<std::string> all = values(read_topic(*log, "events"));
  for (std::string& each : values(read_topic(*log, "answers"))) all.push_back(std::move(each));
  std::ranges::sort(all);
  EXPECT_THAT(all, SizeIs(kThreads * kEach));
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

TEST_F(EmbeddedLogTest, what_is_appended_while_it_closes_is_stored_or_refused) {
  open();
  std::atomic<int> stored = 0;
  std::atomic<int> refused = 0;
  auto writer = log->open_writer();
  for (int i = 0; i < 100; ++i) {
    writer->append_async(
        {make_record("events", "a", "1")},
        [&](const Result<std::vector<Position>>& positions) { ++(positions ? stored : refused); });
  }
  log.reset();
  EXPECT_EQ(stored + refused, 100);
  writer.reset();
  open();
  EXPECT_THAT(read_topic(*log, "events"), SizeIs(stored.load()));
}

}  // namespace
}  // namespace millrace
