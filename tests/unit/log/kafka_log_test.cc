#include "common/log/kafka_log.h"

#include <set>
#include <thread>

#include "log_test_support.h"
#include "tests/support/kafka_place.h"

// What only a log of several processes does. Two logs stand for two processes.

namespace millrace {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int32_t kPartitions = 4;
constexpr milliseconds kTurn{50};

class KafkaLogTest : public testing::Test {
 protected:
  KafkaLogTest() : one_(place_.open()), two_(place_.open()) {
    const std::vector<TopicSpec> topics{{.name = "events", .partitions = kPartitions},
                                        {.name = "copies", .partitions = kPartitions},
                                        {.name = "others", .partitions = 1}};
    EXPECT_TRUE(one_->create_topics(topics));
    EXPECT_TRUE(two_->create_topics(topics));
  }

  static Record in(std::int32_t partition, std::string value) {
    Record record = make_record("events", "key", std::move(value));
    record.partition = partition;
    return record;
  }
  void append_to_each(Log& log, const std::string& value) {
    std::vector<Record> records;
    for (std::int32_t each = 0; each < kPartitions; ++each) records.push_back(in(each, value));
    append(log, records);
  }
  // Polls both until they have so many partitions.
  static bool share(LogSession& a, std::size_t of_a, LogSession& b, std::size_t of_b) {
    return eventually([&] {
      EXPECT_TRUE(a.poll(1, 1, milliseconds{0}));
      EXPECT_TRUE(b.poll(1, 1, kTurn));
      return a.assignment().size() == of_a && b.assignment().size() == of_b;
    });
  }
  static bool poll_until(LogSession& session, std::size_t partitions) {
    return eventually([&] {
      EXPECT_TRUE(session.poll(1, 1, kTurn));
      return session.assignment().size() == partitions;
    });
  }

  // Commits a copy of what was read, which may take a second try, and reads it.
  void copy_in_the_end(LogSession& session, const std::vector<Record>& read, const char* value) {
    ASSERT_TRUE(eventually([&] {
      if (session.commit(std::vector{make_record("copies", "k", value)}, consumed(read)))
        return true;
      EXPECT_TRUE(session.rewind());
      return false;
    }));
    EXPECT_THAT(values(read_topic(*one_, "copies")), ElementsAre(value));
  }

  KafkaPlace place_;
  std::unique_ptr<Log> one_;
  std::unique_ptr<Log> two_;
};

TEST_F(KafkaLogTest, a_group_shares_its_partitions_and_one_who_leaves_gives_them_back_at_once) {
  const auto a = open_session(*one_, "readers", {"events"});
  auto b = open_session(*two_, "readers", {"events"});
  ASSERT_TRUE(share(*a, 2, *b, 2));
  const auto left = system_clock().now();
  b.reset();
  ASSERT_TRUE(poll_until(*a, kPartitions));
  EXPECT_LT(system_clock().now() - left, place_.options().session_timeout);
}

TEST_F(KafkaLogTest, what_was_committed_is_not_read_again_by_who_takes_over) {
  append_to_each(*one_, "before");
  auto a = open_session(*one_, "readers", {"events"});
  const auto read = take(*a, kPartitions);
  ASSERT_TRUE(a->commit(std::vector{make_record("copies", "k", "copy")}, consumed(read)));
  const auto b = open_session(*two_, "readers", {"events"});
  append_to_each(*one_, "after");
  a.reset();
  std::vector<std::string> seen;
  ASSERT_TRUE(eventually([&] {  // polls that meet a rebalance come back empty
    const auto records = b->poll(kPartitions, 1U << 20U, kTurn);
    EXPECT_TRUE(records);
    for (const Record& each : *records) seen.push_back(each.value);
    return seen.size() >= kPartitions;
  }));
  EXPECT_EQ(seen, std::vector<std::string>(kPartitions, "after"));
}

TEST_F(KafkaLogTest, partitions_of_several_topics_go_together) {
  const auto a = open_session(*one_, "readers", {"events", "copies"});
  const auto b = open_session(*two_, "readers", {"events", "copies"});
  ASSERT_TRUE(share(*a, kPartitions, *b, kPartitions));
  std::set<std::int32_t> numbers;
  for (const TopicPartition& each : a->assignment()) numbers.insert(each.partition);
  EXPECT_THAT(numbers, SizeIs(2));
  EXPECT_TRUE(failed_as(one_->open_session({"mixed", {"events", "others"}, true, nullptr}),
                        Error::Kind::rejected));
}

// It polls no more, so the group gives its partitions away; then it commits what it read.
TEST_F(KafkaLogTest, who_has_lost_a_partition_cannot_commit_for_it) {
  KafkaLogOptions options = place_.options();
  options.session_timeout = milliseconds{2'000};
  const auto slow = place_.open(options);
  append_to_each(*one_, "1");
  const auto a = open_session(*slow, "copiers", {"events"});
  const auto read = take(*a, kPartitions);
  const auto b = open_session(*two_, "copiers", {"events"});
  ASSERT_TRUE(eventually([&] {  // `a` gives half of them away
    EXPECT_TRUE(a->poll(1, 1, milliseconds{0}));
    EXPECT_TRUE(b->poll(1, 1, kTurn));
    return b->assignment().size() == 2;
  }));
  const Status late = a->commit(std::vector{make_record("copies", "k", "late")}, consumed(read));
  EXPECT_FALSE(late);
  EXPECT_THAT(read_topic(*one_, "copies"), IsEmpty());
}

TEST_F(KafkaLogTest, a_process_with_the_same_instance_takes_over_and_fences_the_other) {
  append_to_each(*one_, "1");
  const auto first = place_.open("pod-0");
  ASSERT_EQ(*first->partitions("copies"), kPartitions);
  const auto a = open_session(*first, "copiers", {"events"});
  const auto read = take(*a, kPartitions);
  const auto second = place_.open("pod-0");
  ASSERT_EQ(*second->partitions("copies"), kPartitions);
  const auto b = open_session(*second, "copiers", {"events"});
  EXPECT_FALSE(a->commit(std::vector{make_record("copies", "k", "old")}, consumed(read)));
  EXPECT_THAT(read_topic(*one_, "copies"), IsEmpty());
  std::string fenced;
  ASSERT_TRUE(eventually([&] {  // its group tells it, and it sees that the other one stays
    const auto rewound = a->rewind();
    if (rewound || rewound.error().kind != Error::Kind::fatal) return false;
    fenced = rewound.error().message;
    return true;
  }));
  EXPECT_THAT(fenced, HasSubstr("kafka_instance"));
  EXPECT_THAT(a->assignment(), IsEmpty());
  // The older one may have fenced the other's producer once, until it was told.
  const auto again = take(*b, kPartitions);
  ASSERT_THAT(again, SizeIs(kPartitions));
  copy_in_the_end(*b, again, "new");
}

TEST_F(KafkaLogTest, a_fenced_member_comes_back_when_nobody_has_its_place) {
  append_to_each(*one_, "1");
  const auto first = place_.open("pod-0");
  ASSERT_EQ(*first->partitions("copies"), kPartitions);
  const auto a = open_session(*first, "copiers", {"events"});
  ASSERT_THAT(take(*a, kPartitions), SizeIs(kPartitions));
  {
    const auto second = place_.open("pod-0");
    ASSERT_EQ(*second->partitions("copies"), kPartitions);
    const auto b = open_session(*second, "copiers", {"events"});
    ASSERT_TRUE(eventually([&] { return !a->rewind() && a->assignment().empty(); }));
  }
  EXPECT_FALSE(a->poll(1, 1, milliseconds{0}));
  EXPECT_EQ(a->lag(), 0);
  ASSERT_TRUE(eventually([&] { return !!a->rewind(); }));
  EXPECT_THAT(a->assignment(), IsEmpty());
  ASSERT_TRUE(poll_until(*a, kPartitions));
  ASSERT_TRUE(eventually([&] {  // a seek just after joining may have to be asked again
    const auto rewound = a->rewind();
    if (!rewound) {
      EXPECT_TRUE(failed_as(rewound, Error::Kind::unavailable));
    }
    return !!rewound;
  }));
  const auto again = take(*a, kPartitions);  // nothing of it was committed
  ASSERT_THAT(again, SizeIs(kPartitions));
  copy_in_the_end(*a, again, "back");
}

// As when a process is killed in the middle of a rebalance and started again: its place has what it
// had kept, and what it was to give up would be nobody's.
TEST_F(KafkaLogTest, who_takes_the_place_of_a_member_ends_what_that_one_had_begun) {
  const auto first = place_.open("pod-0");
  const auto a = open_session(*first, "readers", {"events"});
  const auto b = open_session(*two_, "readers", {"events"});  // `a` hears of it, and does not poll
  std::jthread other{[&](const std::stop_token& stop) {       // the group waits for its answers
    while (!stop.stop_requested()) EXPECT_TRUE(b->poll(1, 1, kTurn));
  }};
  const auto second = place_.open("pod-0");
  const auto again = open_session(*second, "readers", {"events"});
  other.request_stop();
  other.join();
  EXPECT_TRUE(share(*b, kPartitions / 2, *again, kPartitions / 2));
}

TEST_F(KafkaLogTest, a_session_with_a_choice_reads_what_is_chosen_from_the_groups_offsets_on) {
  append_to_each(*one_, "1");
  const auto choice = std::make_shared<PartitionChoice>();
  choice->set({1});
  auto opened = one_->open_session({"searchers", {"events"}, false, choice});
  ASSERT_TRUE(opened);
  LogSession& session = **opened;
  const auto read = take(session, 1);
  EXPECT_EQ(read[0].partition, 1);
  ASSERT_TRUE(session.commit({}, consumed(read)));
  choice->set({2, 3});
  std::set<std::int32_t> seen;
  for (const Record& each : take(session, 2)) seen.insert(each.partition);
  EXPECT_THAT(seen, ElementsAre(2, 3));
  opened->reset();
  EXPECT_EQ(*one_->committed("searchers", {"events", 1}), 1);  // waited for when it was closed
  choice->set({1});
  append_to_each(*one_, "2");
  auto again = two_->open_session({"searchers", {"events"}, false, choice});
  ASSERT_TRUE(again);
  EXPECT_THAT(values(take(**again, 1)), ElementsAre("2"));
}

TEST_F(KafkaLogTest, a_topic_that_is_missing_is_named_with_what_makes_it) {
  const auto missing = one_->partitions("nowhere");
  ASSERT_TRUE(failed_as(missing, Error::Kind::rejected));
  EXPECT_THAT(missing.error().message, HasSubstr("there is no topic nowhere"));
  EXPECT_THAT(missing.error().message, HasSubstr("millrace topics create"));
}

TEST_F(KafkaLogTest, says_that_no_broker_answers) {
  KafkaLogOptions options = place_.options();
  options.brokers = "127.0.0.1:9";
  options.request_timeout = milliseconds{1'000};
  const auto log = open_kafka_log(options, system_clock(), place_.metrics());
  ASSERT_TRUE(failed_as(log, Error::Kind::unavailable));
  EXPECT_THAT(log.error().message, HasSubstr("127.0.0.1:9"));
}

TEST_F(KafkaLogTest, topics_are_described_and_set_right_but_keep_their_partitions) {
  std::vector<TopicSpec> table{
      {.name = "events", .partitions = kPartitions, .retention = std::chrono::hours{1}},
      {.name = "fresh", .partitions = 2, .compacted = true}};
  auto reports = describe_kafka_topics(place_.options(), table);
  ASSERT_TRUE(reports) << reports.error().message;
  EXPECT_THAT((*reports)[0].differences, testing::Contains(HasSubstr("retention.ms is 86400000")));
  EXPECT_THAT((*reports)[1].differences, ElementsAre("missing"));
  ASSERT_TRUE(apply_kafka_topics(place_.options(), table));
  reports = describe_kafka_topics(place_.options(), table);
  ASSERT_TRUE(reports);
  for (const KafkaTopicReport& each : *reports) EXPECT_THAT(each.differences, IsEmpty());
  table[0].partitions = 2;
  const Status shrunk = apply_kafka_topics(place_.options(), table);
  ASSERT_TRUE(failed_as(shrunk, Error::Kind::rejected));
  EXPECT_THAT(shrunk.error().message, HasSubstr("events has 4 partitions, not 2"));
}

}  // namespace
}  // namespace millrace
