#pragma once

#include <latch>

#include "log_test_support.h"
#include "tests/support/fake_clock.h"

namespace millrace {

// An embedded log in a folder, with a clock and limits that the test sets.
class EmbeddedLogTest : public testing::Test {
 protected:
  EmbeddedLogTest() { options.directory = folder.path() / "log"; }

  void open() {
    log.reset();
    auto opened = open_embedded_log(options, clock, metrics);
    ASSERT_TRUE(opened) << opened.error().message;
    log = std::move(*opened);
    const Status created = log->create_topics(kTopics);
    ASSERT_TRUE(created) << created.error().message;
  }

  // The number at the end of the metric's line.
  double metric(const std::string& series) const {
    const std::string text = metrics.render();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return -1;
    return std::stod(text.substr(at + series.size() + 2));
  }

  inline static const std::vector<TopicSpec> kTopics{
      {.name = "events"},
      {.name = "states", .compacted = true},
      {.name = "letters",
       .compacted = true,
       .retention = std::chrono::hours{24 * 30},
       .expires = true},
      {.name = "answers", .retention = std::chrono::minutes{10}, .durable = false},
      // To see that a trim has been: one for each lane.
      {.name = "ticks", .retention = std::chrono::milliseconds{1}},
      {.name = "fleeting_ticks", .retention = std::chrono::milliseconds{1}, .durable = false},
  };

  TemporaryFolder folder;
  FakeClock clock;
  MetricsRegistry metrics;
  EmbeddedLogOptions options;
  std::unique_ptr<Log> log;
};

// Holds up a log's writer thread, from inside a handler, until it is released.
class WriterHold {
 public:
  WriterHold(LogWriter& writer, const std::string& topic) {
    writer.append_async({make_record(topic, "hold", "hold")},
                        [this](const Result<std::vector<Position>>&) {
                          held_.count_down();
                          released_.wait();
                          left_.count_down();
                        });
    held_.wait();
  }
  ~WriterHold() { release(); }
  void release() {
    if (!std::exchange(done_, true)) {
      released_.count_down();
      left_.wait();
    }
  }

 private:
  std::latch held_{1};
  std::latch released_{1};
  std::latch left_{1};
  bool done_ = false;
};

}  // namespace millrace
