#include "workers/indexer/searcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "schemas/topics.h"
#include "tests/support/stage_driver.h"
#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_index::kDimensions;
using testing_index::make_revision;
using testing_index::TemporaryFolder;

// Each look at it takes a moment.
class TickingClock : public Clock {
 public:
  Steady now() const override { return Steady{std::chrono::microseconds{250 * ++ticks_}}; }

 private:
  mutable std::atomic<std::int64_t> ticks_ = 0;
};

class SearcherTest : public ::testing::Test {
 protected:
  SearcherTest() {
    Result<std::unique_ptr<IndexSet>> set = IndexSet::open(
        {.directory = folder_.path(), .generation = 1, .partitions = 2, .dimensions = kDimensions},
        metrics_);
    EXPECT_TRUE(set);
    set_ = std::move(*set);
    EXPECT_TRUE(set_->find(0)->apply(make_revision(random_, "a", "x", "R1", 2).batch(0)));
    EXPECT_TRUE(
        set_->find(1)->apply(make_revision(random_, "a", "y", "R2", 3, 1, {"red"}).batch(0)));
  }
  SearchRequest request(const std::string& id) {
    SearchRequest out;
    out.query.query_id = id;
    out.query.collection = "a";
    out.query.question = "what?";
    out.query.sees_everything = true;
    out.query.top_k = 2;
    out.partitions = 2;
    out.embedding_us = 77;
    out.vector = testing_index::random_vector(random_);
    return out;
  }
  Record record_for(SearchRequest made, std::int32_t partition) {
    made.partition = partition;
    Record record = to_record(made, 1);
    record.partition = partition;
    return record;
  }
  PassagesEvent only(const Result<Outputs>& outputs) {
    if (!outputs || outputs->size() != 1) {
      ADD_FAILURE() << (outputs ? "not one record" : outputs.error().message);
      return {};
    }
    const Result<PassagesEvent> event = passages_event_from(outputs->front());
    EXPECT_TRUE(event);
    return event ? *event : PassagesEvent{};
  }

  std::mt19937 random_{5};
  TemporaryFolder folder_;
  MetricsRegistry metrics_;
  TickingClock clock_;
  std::unique_ptr<IndexSet> set_;
};

TEST_F(SearcherTest, answers_each_request_from_the_index_of_its_partition) {
  Searcher searcher{*set_, clock_};
  const std::vector<Record> batch{record_for(request("q1"), 0), record_for(request("q2"), 1)};
  const std::vector<Result<Outputs>> results = searcher.process(batch);
  ASSERT_EQ(results.size(), 2U);
  const PassagesEvent first = only(results[0]);
  EXPECT_EQ(results[0]->front().topic, topics::kPassages);
  EXPECT_EQ(results[0]->front().key, "q1");
  EXPECT_EQ(first.query.query_id, "q1");
  EXPECT_EQ(first.partition, 0);
  EXPECT_EQ(first.partitions, 2);
  EXPECT_EQ(first.embedding_us, 77);
  EXPECT_GE(first.search_us, 250);  // other requests are timed by the same clock meanwhile
  EXPECT_THAT(first.error, IsEmpty());
  ASSERT_THAT(first.passages, SizeIs(2));
  for (const Passage& passage : first.passages) EXPECT_TRUE(passage.match && passage.match->cosine);
  EXPECT_EQ(first.evidence.rows, 2);
  EXPECT_EQ(first.passages[0].document_id, "x");
  EXPECT_EQ(only(results[1]).passages[0].document_id, "y");
}

TEST_F(SearcherTest, says_how_far_its_index_had_read) {
  ASSERT_TRUE(set_->find(1)->checkpoint(41));
  Searcher searcher{*set_, clock_};
  SearchRequest asked = request("q");
  asked.provenance = Provenance{"mini", 256, 32};
  const std::vector<Record> batch{record_for(asked, 1), record_for(request("older"), 1)};
  const std::vector<Result<Outputs>> results = searcher.process(batch);
  const Provenance wanted{"mini", 256, 32, "", "", {{1, 41}}};
  EXPECT_EQ(only(results[0]).provenance, wanted);
  EXPECT_FALSE(only(results[1]).provenance);
}

TEST_F(SearcherTest, watches_the_scores_of_people_and_of_nobody_else) {
  constexpr std::size_t kWindow = 200;
  Searcher searcher{*set_, clock_, 0, {&metrics_, kWindow}};
  const auto record_of = [&](Query::Origin origin, const std::vector<float>& vector) {
    SearchRequest asked = request("q");
    asked.query.origin = origin;
    asked.vector = vector;
    return record_for(asked, 0);
  };
  const auto ask = [&](const std::vector<Record>& pair, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      for (const auto& each : searcher.process(pair)) EXPECT_TRUE(each);
    }
  };
  // Of two partitions: the window of 200 questions has 400 scores.
  const std::vector<float> one = request("q").vector;
  const std::vector<float> other = request("q").vector;
  const std::string none = "retrieval_score_drift{generation=\"1\"} 0\n";
  constexpr auto kPerson = Query::Origin::person;
  ask({record_of(kPerson, one), record_of(kPerson, other)}, 2 * kWindow);
  EXPECT_THAT(metrics_.render(), testing::HasSubstr(none));
  ask({record_of(Query::Origin::eval, one), record_of(Query::Origin::shadow, one)}, kWindow);
  EXPECT_THAT(metrics_.render(), testing::HasSubstr(none));
  ask({record_of(kPerson, one), record_of(kPerson, one)}, kWindow);
  EXPECT_THAT(metrics_.render(), testing::Not(testing::HasSubstr(none)));
}

TEST_F(SearcherTest, shows_an_asker_only_what_the_groups_allow) {
  Searcher searcher{*set_, clock_};
  SearchRequest stranger = request("q");
  stranger.query.sees_everything = false;
  SearchRequest member = stranger;
  member.query.groups = {"red"};
  const std::vector<Record> batch{record_for(stranger, 1), record_for(member, 1)};
  const std::vector<Result<Outputs>> results = searcher.process(batch);
  EXPECT_THAT(only(results[0]).passages, IsEmpty());
  EXPECT_THAT(only(results[1]).passages, SizeIs(3));
}

TEST_F(SearcherTest, says_in_the_passages_that_the_index_failed) {
  Searcher searcher{*set_, clock_};
  SearchRequest other_model = request("q1");
  other_model.vector.resize(3);
  SearchRequest other_layout = request("q2");
  other_layout.partitions = 10;
  const std::vector<Record> batch{record_for(other_model, 0), record_for(other_layout, 9)};
  const std::vector<Result<Outputs>> results = searcher.process(batch);
  const PassagesEvent failed = only(results[0]);
  EXPECT_THAT(failed.error, HasSubstr("3 dimensions"));
  EXPECT_THAT(failed.passages, IsEmpty());
  EXPECT_EQ(failed.query.query_id, "q1");
  EXPECT_THAT(only(results[1]).error, HasSubstr("partition 9"));
}

TEST_F(SearcherTest, a_request_that_cannot_be_read_is_rejected) {
  Searcher searcher{*set_, clock_};
  Record damaged = record_for(request("q"), 0);
  damaged.value.pop_back();
  const std::vector<Result<Outputs>> results = searcher.process({&damaged, 1});
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().kind, Error::Kind::rejected);
  EXPECT_THAT(searcher.given_up(damaged, results[0].error()), IsEmpty());
}

TEST_F(SearcherTest, a_request_given_up_tells_the_answerer) {
  Searcher searcher{*set_, clock_};
  const Outputs outputs = searcher.given_up(record_for(request("q"), 1), retryable("too often"));
  ASSERT_THAT(outputs, SizeIs(1));
  const Result<PassagesEvent> event = passages_event_from(outputs[0]);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->error, "too often");
  EXPECT_EQ(event->partition, 1);
}

TEST_F(SearcherTest, runs_under_the_runner_beside_the_query_path) {
  StageDriverOptions options;
  options.stage = "searcher";
  options.partitions = 2;
  options.exactly_once = false;
  StageDriver driver{std::make_unique<Searcher>(*set_, system_clock()), options};
  driver.pipe_all({record_for(request("q1"), 0), record_for(request("q1"), 1)});
  EXPECT_THAT(driver.read(topics::kPassages), SizeIs(2));
  driver.stop();
}

}  // namespace
}  // namespace millrace
