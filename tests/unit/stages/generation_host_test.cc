#include "workers/generation_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "schemas/topics.h"
#include "tests/support/memory_log.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

// Each look at it takes a minute.
class SlowClock : public Clock {
 public:
  Steady now() const override { return Steady{std::chrono::minutes{++minutes_}}; }

 private:
  mutable std::atomic<int> minutes_ = 0;
};

TEST(GenerationHost, says_that_it_could_not_read_the_collections_in_time) {
  MetricsRegistry metrics;
  const auto log = make_memory_log(metrics);
  ASSERT_TRUE(log->create_topics(topic_specs(1, kGeneration)));
  Collection collection;
  collection.name = "books";
  ASSERT_TRUE(log->open_writer()->append({to_record(collection)}));
  const SlowClock clock;
  Generations generations;
  GenerationHost host{{{}, {*log, nullptr, clock, metrics}, {}, {}}, generations, {}};
  const Status started = host.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(started.error().message, HasSubstr("collections was not read within 30 s"));
}

}  // namespace
}  // namespace millrace
