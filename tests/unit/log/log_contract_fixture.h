#pragma once

#include "log_backends.h"
#include "log_test_support.h"

namespace millrace {

// A log with five topics: `events` and `copies` are durable and kept by time, `states` is
// compacted, `letters` is too and expires, `answers` is not durable.
class LogContract : public testing::TestWithParam<LogFactory> {
 protected:
  LogContract() : backend_(GetParam().make()) { open(); }
  ~LogContract() override { close(); }

  void open() {
    base_ = backend_->open();
    if (GetParam().segmented) segmented_ = make_segmented_log(*base_);
    const Status created = log().create_topics(kTopics);
    EXPECT_TRUE(created) << created.error().message;
  }
  void close() {
    segmented_.reset();
    base_.reset();
  }
  void reopen() {
    close();
    open();
  }
  Log& log() { return segmented_ ? *segmented_ : *base_; }

  static constexpr std::int32_t kPartitions = 3;
  inline static const std::vector<TopicSpec> kTopics{
      {.name = "events", .partitions = kPartitions},
      {.name = "copies", .partitions = kPartitions},
      {.name = "states", .partitions = kPartitions, .compacted = true},
      {.name = "letters",
       .partitions = kPartitions,
       .compacted = true,
       .retention = std::chrono::hours{24 * 30},
       .expires = true},
      {.name = "answers", .partitions = kPartitions, .durable = false},
  };

 private:
  std::unique_ptr<LogBackend> backend_;
  std::unique_ptr<Log> base_;
  std::unique_ptr<Log> segmented_;
};

inline std::string factory_name(const testing::TestParamInfo<LogFactory>& row) {
  return row.param.name;
}

}  // namespace millrace
