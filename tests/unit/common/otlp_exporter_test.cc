#include "common/otlp_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/json.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Answers requests as the test says, one reply each, the last one again and again; the test waits
// for requests and may hold them.
class Collector {
 public:
  OtlpSender sender() {
    return [this](const std::string& body, const std::stop_token& stop) {
      return receive(body, stop);
    };
  }
  void reply(std::vector<Result<OtlpReply>> replies) {
    const std::lock_guard lock{mutex_};
    replies_ = std::move(replies);
  }
  void hold(bool held) {
    const std::lock_guard lock{mutex_};
    held_ = held;
    changed_.notify_all();
  }
  void wait_for(std::size_t requests) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return bodies_.size() >= requests; });
  }
  // Names of the spans of each request.
  std::vector<std::vector<std::string>> requests() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::vector<std::string>> all;
    for (const std::string& body : bodies_) all.push_back(names_in(body));
    return all;
  }

 private:
  Result<OtlpReply> receive(const std::string& body, const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    bodies_.push_back(body);
    changed_.notify_all();
    changed_.wait(lock, stop, [this] { return !held_; });
    if (stop.stop_requested()) return retryable("cancelled");
    if (replies_.empty()) return OtlpReply{200, {}, 0};
    const Result<OtlpReply> next = replies_.front();
    if (replies_.size() > 1) replies_.erase(replies_.begin());
    return next;
  }
  static std::vector<std::string> names_in(const std::string& body) {
    const auto document = json::Document::parse(body);
    if (!document) return {"no JSON"};
    const json::Value spans =
        document->root().member("resourceSpans")[0].member("scopeSpans")[0].member("spans");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      names.emplace_back(spans[i].member("name").as_string());
    }
    return names;
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::string> bodies_;
  std::vector<Result<OtlpReply>> replies_;
  bool held_ = false;
};

Span named(const std::string& name) {
  Span span;
  span.context = new_trace();
  span.name = name;
  return span;
}

class OtlpExporterTest : public ::testing::Test {
 protected:
  OtlpExporterTest() {
    options.batch_wait = 1ms;
    options.retry_pause = 1ms;
    options.retry_pause_max = 2ms;
    options.flush_timeout = 60s;  // nothing comes near it
  }
  void start() {
    exporter = std::make_unique<OtlpExporter>(options, collector.sender(), ExportProbe{metrics});
  }
  void add(const std::vector<std::string>& names) {
    for (const std::string& name : names) exporter->add(named(name));
  }
  double dropped(const std::string& reason) {
    return metrics.counter("trace_spans_dropped_total", "", {{"reason", reason}}).value();
  }
  double exported() { return metrics.counter("trace_spans_exported_total", "").value(); }
  double failures() { return metrics.counter("trace_export_failures_total", "").value(); }

  MetricsRegistry metrics;
  Collector collector;
  OtlpExporterOptions options;
  std::unique_ptr<OtlpExporter> exporter;
};

TEST_F(OtlpExporterTest, sends_what_comes_while_a_request_is_under_way_together) {
  collector.hold(true);
  start();
  add({"first"});
  collector.wait_for(1);
  add({"a", "b", "c"});
  collector.hold(false);
  exporter->stop();
  EXPECT_THAT(collector.requests(), ElementsAre(ElementsAre("first"), ElementsAre("a", "b", "c")));
  EXPECT_EQ(exported(), 4);
}

TEST_F(OtlpExporterTest, sends_a_full_batch_without_waiting_for_more) {
  options.batch_wait = 24h;
  options.batch_spans_max = 2;
  start();
  add({"a", "b"});
  collector.wait_for(1);
  add({"c"});
  exporter->stop();  // nor does its end wait
  EXPECT_THAT(collector.requests(), ElementsAre(ElementsAre("a", "b"), ElementsAre("c")));
}

TEST_F(OtlpExporterTest, splits_what_waits_into_batches) {
  options.batch_wait = 24h;
  options.batch_spans_max = 3;
  collector.hold(true);
  start();
  add({"1", "2", "3", "4", "5", "6", "7"});
  collector.wait_for(1);
  collector.hold(false);
  exporter->stop();
  EXPECT_THAT(collector.requests(), ElementsAre(ElementsAre("1", "2", "3"),
                                                ElementsAre("4", "5", "6"), ElementsAre("7")));
}

TEST_F(OtlpExporterTest, drops_and_counts_what_finds_the_queue_full) {
  options.queue_spans_max = 2;
  collector.hold(true);
  start();
  add({"in flight"});
  collector.wait_for(1);
  add({"a", "b", "too many", "too many"});
  EXPECT_EQ(dropped("queue_full"), 2);
  collector.hold(false);
  exporter->stop();
  EXPECT_THAT(collector.requests(), ElementsAre(SizeIs(1), ElementsAre("a", "b")));
  EXPECT_EQ(exported(), 3);
}

TEST_F(OtlpExporterTest, sends_a_batch_again_while_the_collector_is_away_or_overloaded) {
  collector.reply({unavailable("refused"), OtlpReply{503, {}, 0}, OtlpReply{429, 24h, 0},
                   OtlpReply{200, {}, 0}});
  start();
  add({"a"});
  collector.wait_for(4);  // a Retry-After of a day is cut
  exporter->stop();
  EXPECT_THAT(collector.requests(), Each(ElementsAre("a")));
  EXPECT_EQ(failures(), 3);
  EXPECT_EQ(exported(), 1);
  EXPECT_EQ(dropped("export_failed"), 0);
}

TEST_F(OtlpExporterTest, gives_a_batch_up_after_its_attempts_and_goes_on_with_the_next) {
  options.attempts_max = 3;
  collector.reply({unavailable("1"), unavailable("2"), unavailable("3"), OtlpReply{200, {}, 0}});
  start();
  add({"lost"});
  collector.wait_for(3);
  add({"kept"});
  collector.wait_for(4);
  exporter->stop();
  EXPECT_EQ(dropped("export_failed"), 1);
  EXPECT_EQ(failures(), 3);
  EXPECT_EQ(exported(), 1);
}

TEST_F(OtlpExporterTest, sends_nothing_again_that_the_collector_refuses) {
  collector.reply({OtlpReply{400, {}, 0}, rejected("no URL"), OtlpReply{200, {}, 1}});
  start();
  add({"a"});
  collector.wait_for(1);
  add({"b"});
  collector.wait_for(2);
  add({"c"});
  exporter->stop();
  EXPECT_THAT(collector.requests(), SizeIs(3));
  EXPECT_EQ(dropped("refused"), 3);  // the last one though its request was taken
  EXPECT_EQ(exported(), 0);
}

TEST_F(OtlpExporterTest, ends_in_time_though_the_collector_never_answers) {
  options.flush_timeout = 1ms;
  options.batch_spans_max = 2;
  collector.hold(true);
  start();
  add({"a", "b", "c", "d", "e"});
  collector.wait_for(1);
  exporter->stop();
  exporter->stop();
  EXPECT_THAT(collector.requests(), SizeIs(1));
  EXPECT_EQ(dropped("export_failed"), 5);
}

TEST_F(OtlpExporterTest, ends_without_waiting_for_another_attempt) {
  options.retry_pause = 24h;
  options.retry_pause_max = 24h;
  collector.reply({unavailable("away")});
  start();
  add({"a"});
  collector.wait_for(1);
  exporter->stop();
  EXPECT_EQ(dropped("export_failed"), 1);
}

TEST_F(OtlpExporterTest, takes_spans_of_many_threads) {
  start();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this] {
        for (int span = 0; span < 200; ++span) exporter->add(named("n"));
      });
    }
  }
  exporter->stop();
  EXPECT_EQ(exported(), 800);
  EXPECT_EQ(dropped("queue_full"), 0);
}

TEST_F(OtlpExporterTest, drops_what_comes_after_its_end) {
  start();
  exporter->stop();
  add({"late"});
  EXPECT_THAT(collector.requests(), IsEmpty());
  EXPECT_EQ(dropped("queue_full"), 1);
}

}  // namespace
}  // namespace millrace
