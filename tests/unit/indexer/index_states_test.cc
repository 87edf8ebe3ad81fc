// What the indexer says of its indexes on `index-states`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/log/segmented.h"
#include "schemas/index_state.h"
#include "schemas/topics.h"
#include "tests/support/stage_driver.h"
#include "tests/unit/index/index_model.h"
#include "workers/indexer/indexer.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::Revision;
using testing_index::TemporaryFolder;

constexpr int kGeneration = 2;

TopicPartition source(std::int32_t partition) {
  return {topics::embeddings(kGeneration), partition};
}

Record record_of(const Revision& revision) {
  Record record = to_record(revision.batch(0), kGeneration);
  record.partition = 0;
  return record;
}

IndexState state_of(const Record& record) {
  Result<IndexState> state = index_state_from(record);
  EXPECT_TRUE(state) << state.error().message;
  return state ? *state : IndexState{};
}

class IndexStatesTest : public ::testing::Test {
 protected:
  // Applies the revision's only batch to partition 0, as far as the next position.
  void apply(Indexer& indexer, const Revision& revision) {
    const std::vector<Record> batch{record_of(revision)};
    ASSERT_TRUE(indexer.process(batch).front());
    ASSERT_TRUE(indexer.checkpoint({{source(0), ++position_}}));
  }
  void pass_interval() { clock_.advance(Indexer::kReportInterval); }

  std::mt19937 random_{5};
  TemporaryFolder folder_;
  MetricsRegistry metrics_;
  FakeClock clock_;
  std::unique_ptr<IndexSet> set_ = *IndexSet::open({.directory = folder_.path(),
                                                    .generation = kGeneration,
                                                    .partitions = 2,
                                                    .dimensions = kDimensions},
                                                   metrics_);
  Offset position_ = 0;
};

TEST_F(IndexStatesTest, say_what_is_in_the_index) {
  Indexer indexer{*set_, clock_};
  apply(indexer, make_revision(random_, "a", "x", "R1", 3));
  apply(indexer, make_revision(random_, "b", "y", "R2", 2));
  apply(indexer, make_revision(random_, "b", "z", "R3", 4));
  apply(indexer, make_removal("b", "z", "R4"));
  const Outputs outputs = indexer.report({source(0)});
  ASSERT_THAT(outputs, SizeIs(1));
  EXPECT_EQ(outputs[0].key, "2/0");
  const IndexState state = state_of(outputs[0]);
  EXPECT_EQ(state.generation, kGeneration);
  EXPECT_EQ(state.partition, 0);
  EXPECT_EQ(state.position, 4);
  EXPECT_EQ(state.at, clock_.wall_now());
  EXPECT_EQ(state.counts.all, (IndexedCollection{2, 5}));
  EXPECT_EQ(state.counts.of("a"), (IndexedCollection{1, 3}));
  EXPECT_EQ(state.counts.of("b"), (IndexedCollection{1, 2}));
  EXPECT_EQ(state.counts.of("c"), IndexedCollection{});
  EXPECT_EQ(state.counts.segments, 1);
  EXPECT_EQ(state.counts.merges, 0);
  EXPECT_GT(state.counts.disk_bytes, 5 * kDimensions * 2) << "what is not flushed yet included";
  EXPECT_GE(state.counts.memory_bytes, 5 * kDimensions * 4);
}

TEST_F(IndexStatesTest, are_said_where_they_changed_and_not_too_often) {
  Indexer indexer{*set_, clock_};
  EXPECT_THAT(indexer.report({source(0), source(1)}), SizeIs(2));
  indexer.reported();
  apply(indexer, make_revision(random_, "a", "x", "R1", 3));
  EXPECT_THAT(indexer.report({source(0), source(1)}), IsEmpty()) << "too soon";
  pass_interval();
  const Outputs changed = indexer.report({source(0), source(1)});
  ASSERT_THAT(changed, SizeIs(1)) << "the other one is as it was";
  EXPECT_EQ(changed[0].key, "2/0");
  indexer.reported();
  pass_interval();
  EXPECT_THAT(indexer.report({source(0), source(1)}), IsEmpty());
}

TEST_F(IndexStatesTest, are_said_again_when_they_were_not_stored) {
  Indexer indexer{*set_, clock_};
  EXPECT_THAT(indexer.report({source(0)}), SizeIs(1));
  pass_interval();
  EXPECT_THAT(indexer.report({source(0)}), SizeIs(1));
  indexer.reported();
  pass_interval();
  EXPECT_THAT(indexer.report({source(0)}), IsEmpty());
}

TEST_F(IndexStatesTest, are_said_again_of_a_partition_that_comes_back) {
  Indexer indexer{*set_, clock_};
  EXPECT_THAT(indexer.report({source(0), source(1)}), SizeIs(2));
  indexer.reported();
  EXPECT_THAT(indexer.report({source(1)}), IsEmpty()) << "another process writes of partition 0";
  pass_interval();
  const Outputs outputs = indexer.report({source(0), source(1)});
  ASSERT_THAT(outputs, SizeIs(1));
  EXPECT_EQ(outputs[0].key, "2/0");
}

TEST_F(IndexStatesTest, stay_small_however_many_collections_there_are) {
  IndexState state;
  for (std::size_t i = 0; i < IndexState::kCollectionsMax + 10; ++i) {
    const std::string number = std::to_string(100'000 + i);
    state.counts.collections[std::string(64 - number.size(), 'c') + number] = {1LL << 50,
                                                                               1LL << 50};
  }
  const Record record = to_record(state);
  EXPECT_LT(record.value.size(), kSegmentBytes);
  EXPECT_THAT(state_of(record).counts.collections, SizeIs(IndexState::kCollectionsMax));
}

// Under the runner: the last change is said although nothing comes after it.
TEST_F(IndexStatesTest, reach_the_topic_also_when_nothing_more_comes) {
  StageDriverOptions options;
  options.stage = "indexer";
  options.generation = kGeneration;
  options.inputs = {topics::embeddings(kGeneration)};
  StageDriver driver{
      [this](StageDriver& made) { return std::make_unique<Indexer>(*set_, made.clock()); },
      options};
  const auto documents = [&] {
    const std::vector<Record> states = driver.read(topics::kIndexStates);
    return states.empty() ? -1 : state_of(states.back()).counts.all.documents;
  };
  driver.start();
  ASSERT_TRUE(driver.log().wait_until([&] { return documents() == 0; }));
  driver.pipe(record_of(make_revision(random_, "a", "x", "R1", 3)));
  EXPECT_EQ(documents(), 0) << "too soon";
  driver.clock().advance(Indexer::kReportInterval);
  ASSERT_TRUE(driver.log().wait_until([&] { return documents() == 1; }));
  EXPECT_THAT(driver.read(topics::kIndexStates), SizeIs(1)) << "compacted: one for each partition";
  driver.stop();
}

}  // namespace
}  // namespace millrace
