#include "common/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/json.h"
#include "common/readiness.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, renders_counters_gauges_and_histograms) {
  MetricsRegistry registry;
  registry.counter("rag_records_total", "Records.", {{"stage", "chunker"}}).add(2);
  registry.gauge("rag_active_documents", "Documents.").set(7);
  registry.histogram("rag_wait_seconds", "Wait.", {}, {0.1, 1}).observe(0.5);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("# HELP rag_records_total Records.\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE rag_records_total counter\n"));
  EXPECT_THAT(text, HasSubstr("rag_records_total{stage=\"chunker\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("rag_active_documents 7\n"));
  EXPECT_THAT(text, HasSubstr("rag_wait_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("rag_wait_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rag_wait_seconds_count 1\n"));
}

TEST(Metrics, gives_the_same_series_for_the_same_name_and_labels) {
  MetricsRegistry registry;
  const Counter first = registry.counter("n_total", "N.", {{"kind", "a"}});
  const Counter again = registry.counter("n_total", "N.", {{"kind", "a"}});
  const Counter other = registry.counter("n_total", "N.", {{"kind", "b"}});
  first.add();
  again.add();
  EXPECT_EQ(first.value(), 2);
  EXPECT_EQ(other.value(), 0);
  registry.histogram("h_seconds", "H.").observe(1);
  registry.histogram("h_seconds", "H.").observe(1);
  EXPECT_THAT(registry.render(), HasSubstr("h_seconds_count 2\n"));
}

TEST(Metrics, escapes_labels) {
  MetricsRegistry registry;
  registry.gauge("g", "G.", {{"path", "a\"b\\c\nd"}}).add(-1.5);
  EXPECT_THAT(registry.render(), HasSubstr("g{path=\"a\\\"b\\\\c\\nd\"} -1.5\n"));
}

TEST(Metrics, counts_from_many_threads) {
  MetricsRegistry registry;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) registry.counter("n_total", "N.").add();
    });
  }
  threads.clear();
  EXPECT_EQ(registry.counter("n_total", "N.").value(), 4000);
}

TEST(Metrics, ignores_a_handle_that_nobody_registered) {
  Counter{}.add();
  Gauge{}.set(1);
  Histogram{}.observe(1);
  EXPECT_EQ(Counter{}.value(), 0);
}

TEST(MetricsDeathTest, stops_at_one_name_for_two_types) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MetricsRegistry registry;
  registry.counter("n_total", "N.");
  EXPECT_DEATH(registry.gauge("n_total", "N."), "n_total");
  EXPECT_DEATH(registry.gauge("not a name", "N."), "not a name");
}

TEST(Readiness, is_ready_once_every_condition_is_met) {
  Readiness readiness{{"log", "model"}};
  EXPECT_FALSE(readiness.ready());
  EXPECT_THAT(readiness.describe(), HasSubstr(R"("log":{"ready":false,"reason":"starting"})"));
  readiness.set("log", true);
  EXPECT_FALSE(readiness.ready());
  readiness.set("model", true, "loaded");
  EXPECT_TRUE(readiness.ready());
  EXPECT_EQ(readiness.describe(),
            R"({"ready":true,"conditions":{"log":{"ready":true},"model":{"ready":true}}})");
  readiness.set("tables", false, "1200 records behind");
  EXPECT_FALSE(readiness.ready());
  EXPECT_THAT(readiness.describe(), HasSubstr("1200 records behind"));
  EXPECT_TRUE(json::Document::parse(readiness.describe()));
}

}  // namespace
}  // namespace millrace
