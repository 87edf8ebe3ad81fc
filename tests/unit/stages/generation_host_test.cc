#include "workers/generation_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <semaphore>

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
  GenerationHostOptions options{.rows = {},
                                .resources = {*log, nullptr, clock, metrics},
                                .runner = {},
                                .indexes = {},
                                .load_model = {},
                                .data_dir = {}};
  GenerationHost host{std::move(options), generations, {}};
  const Status started = host.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(started.error().message, HasSubstr("collections was not read within 30 s"));
}

TEST(GenerationHost, builds_nothing_while_the_disk_is_nearly_full) {
  MetricsRegistry metrics;
  const auto log = make_memory_log(metrics);
  ASSERT_TRUE(log->create_topics(topic_specs(1, kGeneration)));
  const auto held = [&metrics] {
    return metrics.render().find("\ngeneration_builds_held 1") != std::string::npos;
  };
  for (const bool full : {false, true}) {
    Generations generations;
    GenerationHostOptions options{
        .rows = {},
        .resources = {*log, nullptr, system_clock(), metrics},
        .runner = {},
        .indexes = {},
        .load_model = {},
        .data_dir = "/",
        .disk_reserve = full ? std::numeric_limits<std::uint64_t>::max() / 2 : 0};
    GenerationHost host{std::move(options), generations, {}};
    ASSERT_TRUE(host.start());
    EXPECT_EQ(held(), full);
  }
}

// Somebody may still put it there.
TEST(GenerationHost, waits_for_a_model_that_is_not_there) {
  MetricsRegistry metrics;
  const auto log = make_memory_log(metrics);
  ASSERT_TRUE(log->create_topics(topic_specs(1, kGeneration)));
  Collection collection;
  collection.name = "books";
  collection.generations = {
      {.number = 1},
      {.number = 7, .state = Generation::State::building, .settings = {.embedding_model = "tiny"}}};
  ASSERT_TRUE(log->open_writer()->append({to_record(collection)}));
  std::counting_semaphore<> asked{0};
  Generations generations;
  GenerationHostOptions options{
      .rows = {},
      .resources = {*log, nullptr, system_clock(), metrics},
      .runner = {},
      .indexes = {},
      .load_model = [&asked](const std::string& name) -> Result<std::unique_ptr<EmbeddingModel>> {
        EXPECT_EQ(name, "tiny");
        asked.release();
        return rejected("it is not there");
      },
      .data_dir = "/"};
  GenerationHost host{std::move(options), generations,
                      [](const Error& error) { ADD_FAILURE() << error.message; }};
  ASSERT_TRUE(host.start());
  asked.acquire();
  asked.acquire();  // again
}

}  // namespace
}  // namespace millrace
