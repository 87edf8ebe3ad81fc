#include "workers/answerer/event_outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <utility>

#include "tests/support/fake_clock.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Keeps appends until the test answers them.
class HeldWriter : public LogWriter {
 public:
  void append_async(std::vector<Record> records, AppendHandler done) override {
    appends.push_back({std::move(records), std::move(done)});
  }
  struct Append {
    std::vector<Record> records;
    AppendHandler done;
  };
  std::vector<Append> appends;
};

class EventOutboxTest : public ::testing::Test {
 protected:
  EventOutboxTest() {
    home->io = &io;
    home->writer = &writer;
    home->clock = &clock;
    home->write_timeout = std::chrono::seconds{1};
    home->on_refused = [this](const Error&) { refused = true; };
    outbox = std::make_shared<EventOutbox>(home, "q", "", "passages:0:7", [this] { ++closed; });
  }

  static std::vector<std::pair<std::int32_t, std::string>> sent(const HeldWriter::Append& append) {
    std::vector<std::pair<std::int32_t, std::string>> out;
    for (const Record& record : append.records) {
      const auto event = answer_event_from(record);
      EXPECT_TRUE(event) << event.error().message;
      if (event) out.emplace_back(event->index, event->text);
    }
    return out;
  }
  void answer(std::size_t append, Result<std::vector<Position>> with) {
    writer.appends.at(append).done(std::move(with));
    io.restart();
    io.poll();
  }
  void run_until_appends(std::size_t count) {
    while (writer.appends.size() < count) {
      io.restart();
      io.run_one();
    }
  }

  boost::asio::io_context io;
  HeldWriter writer;
  FakeClock clock;
  std::shared_ptr<OutboxHome> home = std::make_shared<OutboxHome>();
  std::shared_ptr<EventOutbox> outbox;
  int closed = 0;
  bool refused = false;
};

TEST_F(EventOutboxTest, sends_deltas_that_come_during_an_append_as_one) {
  outbox->add(AnswerEvent{});
  outbox->flush();
  for (const char* piece : {"a", "b", "c"}) {
    outbox->add_delta(piece);
    outbox->flush();
  }
  ASSERT_THAT(writer.appends, SizeIs(1));
  answer(0, std::vector<Position>{});
  ASSERT_THAT(writer.appends, SizeIs(2));
  EXPECT_THAT(sent(writer.appends[1]), ElementsAre(std::pair{1, "abc"}));
  EXPECT_EQ(writer.appends[1].records[0].header(headers::kSource), "passages:0:7");
  EXPECT_FALSE(writer.appends[1].records[0].header(headers::kTraceparent).empty());
}

TEST_F(EventOutboxTest, closes_once_everything_is_stored) {
  outbox->add(AnswerEvent{});
  outbox->close();
  outbox->flush();
  EXPECT_EQ(closed, 0);
  answer(0, std::vector<Position>{});
  EXPECT_EQ(closed, 1);
  outbox->flush();
  EXPECT_EQ(closed, 1);
}

TEST_F(EventOutboxTest, sends_the_same_records_again_when_the_log_refuses) {
  outbox->add_delta("a");
  outbox->flush();
  outbox->add_delta("b");
  answer(0, unavailable("queue full"));
  run_until_appends(2);
  EXPECT_THAT(sent(writer.appends[1]), ElementsAre(std::pair{0, "a"}));
  answer(1, std::vector<Position>{});
  EXPECT_THAT(sent(writer.appends[2]), ElementsAre(std::pair{1, "b"}));
  EXPECT_FALSE(refused);
}

TEST_F(EventOutboxTest, says_so_when_the_log_refuses_for_too_long) {
  outbox->add_delta("a");
  outbox->flush();
  answer(0, unavailable("queue full"));
  run_until_appends(2);
  clock.advance(std::chrono::seconds{2});
  answer(1, unavailable("queue full"));
  EXPECT_TRUE(refused);
}

TEST_F(EventOutboxTest, writes_nothing_after_it_was_abandoned) {
  outbox->add_delta("a");
  outbox->flush();
  outbox->add_delta("b");
  outbox->abandon();
  outbox->close();
  outbox->flush();
  answer(0, std::vector<Position>{});
  EXPECT_THAT(writer.appends, SizeIs(1));
  EXPECT_EQ(closed, 0);
}

TEST_F(EventOutboxTest, passes_over_an_append_that_ends_after_the_pool) {
  outbox->add_delta("a");
  outbox->flush();
  home->io = nullptr;
  outbox.reset();
  writer.appends[0].done(std::vector<Position>{});
  EXPECT_EQ(closed, 0);
}

}  // namespace
}  // namespace millrace
