#include "workers/indexer/indexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "schemas/topics.h"
#include "tests/support/stage_driver.h"
#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::Revision;
using testing_index::TemporaryFolder;
using State = DocumentProgress::State;

constexpr int kGeneration = 2;

// An index whose disk is full for as long as it is told so.
class FailingIndex : public PartitionIndex {
 public:
  Result<IndexChange> apply(const EmbeddingEvent& event) override {
    if (failing) return unavailable("disk full");
    applied.push_back(event.chunk_batch.document.revision);
    return IndexChange{IndexChange::Kind::swapped, {}};
  }
  Status checkpoint(Offset) override {
    if (failing) return unavailable("disk full");
    return {};
  }
  std::optional<Offset> restored() const override { return std::nullopt; }
  Offset position() const override { return 0; }
  Status snapshot() override { return unavailable("snapshots are on the other disk"); }
  std::vector<Result<IndexHits>> search(std::span<const IndexSearch> searches) const override {
    return std::vector<Result<IndexHits>>(searches.size(), unavailable("disk gone"));
  }
  IndexCounts counts() const override { return {}; }
  bool failing = true;
  std::vector<std::string> applied;
};

class IndexerTest : public ::testing::Test {
 protected:
  static std::unique_ptr<IndexSet> open_set(const TemporaryFolder& folder, std::int32_t partitions,
                                            MetricsRegistry& metrics) {
    Result<std::unique_ptr<IndexSet>> set = IndexSet::open({.directory = folder.path(),
                                                            .generation = kGeneration,
                                                            .partitions = partitions,
                                                            .dimensions = kDimensions},
                                                           metrics);
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  static StageDriverOptions driver_options() {
    StageDriverOptions options;
    options.stage = "indexer";
    options.generation = kGeneration;
    return options;
  }
  static Record record_of(const Revision& revision, std::int32_t batch = 0,
                          std::int32_t partition = 0) {
    Record record = to_record(revision.batch(batch), kGeneration);
    record.partition = partition;
    return record;
  }
  std::vector<DocumentProgress> progress(StageDriver& driver) {
    std::vector<DocumentProgress> events;
    for (const Record& record : driver.read(topics::kDocumentEvents)) {
      const Result<DocumentProgress> event = document_progress_from(record);
      EXPECT_TRUE(event);
      events.push_back(*event);
    }
    return events;
  }
  std::vector<std::string> live_keys(StageDriver& driver) {
    std::vector<std::string> keys;
    for (const Record& record : driver.read(topics::embeddings(kGeneration))) {
      if (!record.tombstone) keys.push_back(record.key);
    }
    return keys;
  }

  std::mt19937 random_{5};
  TemporaryFolder folder_;
  MetricsRegistry metrics_;
  std::unique_ptr<IndexSet> set_ = open_set(folder_, 1, metrics_);
  StageDriver driver_{
      [this](StageDriver& driver) { return std::make_unique<Indexer>(*set_, driver.clock()); },
      driver_options()};
};

TEST_F(IndexerTest, reports_a_document_once_all_its_batches_are_in) {
  const Revision revision = make_revision(random_, "a", "doc", "R1", 5, 2);
  driver_.pipe(record_of(revision, 0));
  EXPECT_THAT(progress(driver_), IsEmpty());
  driver_.pipe(record_of(revision, 1));
  const std::vector<DocumentProgress> events = progress(driver_);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].state, State::indexed);
  EXPECT_EQ(events[0].document, revision.document);
  EXPECT_EQ(events[0].chunks, 5);
  EXPECT_FALSE(events[0].removal);
  EXPECT_EQ(events[0].at, driver_.clock().wall_now());
  EXPECT_EQ(set_->find(0)->counts().of("a").chunks, 5);
}

TEST_F(IndexerTest, removes_the_records_of_a_superseded_revision_from_its_input) {
  const Revision first = make_revision(random_, "a", "doc", "R1", 4, 2);
  const Revision second = make_revision(random_, "a", "doc", "R2", 2);
  driver_.pipe_all({record_of(first, 0), record_of(first, 1)});
  driver_.pipe(record_of(second));
  EXPECT_EQ(live_keys(driver_), second.keys());
  const Revision removal = make_removal("a", "doc", "R3");
  driver_.pipe(record_of(removal));
  EXPECT_EQ(live_keys(driver_), removal.keys());
  EXPECT_EQ(progress(driver_).back().state, State::deleted);
  EXPECT_TRUE(progress(driver_).back().removal);
}

TEST_F(IndexerTest, tombstones_go_to_the_partition_that_the_record_came_from) {
  MetricsRegistry metrics;
  const TemporaryFolder folder;
  const auto set = open_set(folder, 4, metrics);
  Indexer indexer{*set, system_clock()};
  const std::vector<Record> batch{record_of(make_revision(random_, "a", "doc", "R1", 1), 0, 3),
                                  record_of(make_revision(random_, "a", "doc", "R2", 1), 0, 3)};
  const std::vector<Result<Outputs>> results = indexer.process(batch);
  ASSERT_EQ(results.size(), 2U);
  ASSERT_TRUE(results[1]);
  ASSERT_THAT(*results[1], SizeIs(2));
  const Record& tombstone = results[1]->back();
  EXPECT_TRUE(tombstone.tombstone);
  EXPECT_EQ(tombstone.partition, 3);
  EXPECT_EQ(tombstone.key, batch[0].key);
  EXPECT_EQ(tombstone.topic, topics::embeddings(kGeneration));
  EXPECT_EQ(set->find(3)->counts().all.documents, 1);
  EXPECT_EQ(set->find(0)->counts().all.documents, 0);
}

TEST_F(IndexerTest, a_damaged_record_is_a_dead_letter_and_the_next_one_goes_on) {
  Record damaged = record_of(make_revision(random_, "a", "bad", "R1", 2));
  damaged.value.resize(damaged.value.size() - 3);
  driver_.pipe(damaged);
  driver_.pipe(record_of(make_revision(random_, "a", "good", "R2", 1)));
  EXPECT_THAT(driver_.read(topics::kDeadLetters), SizeIs(1));
  EXPECT_EQ(set_->find(0)->counts().of("a").documents, 1);
}

TEST_F(IndexerTest, a_record_of_another_model_fails_its_document) {
  EmbeddingEvent event = make_revision(random_, "a", "doc", "R1", 1).batch(0);
  event.dimensions = 4;
  event.vectors.resize(4);
  driver_.pipe(to_record(event, kGeneration));
  EXPECT_THAT(driver_.read(topics::kDeadLetters), SizeIs(1));
  const std::vector<DocumentProgress> events = progress(driver_);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].state, State::failed);
  EXPECT_EQ(events[0].error_stage, "indexer");
  EXPECT_THAT(events[0].error, ::testing::HasSubstr("4 dimensions"));
}

TEST_F(IndexerTest, a_partition_without_an_index_stops_the_process) {
  Indexer indexer{*set_, system_clock()};
  const std::vector<Record> batch{record_of(make_revision(random_, "a", "doc", "R1", 1), 0, 7)};
  const std::vector<Result<Outputs>> results = indexer.process(batch);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().kind, Error::Kind::fatal);
}

TEST_F(IndexerTest, later_records_of_a_partition_do_not_overtake_one_that_failed) {
  std::vector<std::unique_ptr<PartitionIndex>> indexes;
  indexes.push_back(std::make_unique<FailingIndex>());
  indexes.push_back(std::make_unique<FailingIndex>());
  auto& broken = static_cast<FailingIndex&>(*indexes[0]);
  auto& sound = static_cast<FailingIndex&>(*indexes[1]);
  sound.failing = false;
  IndexSet set{kGeneration, std::move(indexes)};
  Indexer indexer{set, system_clock()};
  Record damaged = record_of(make_revision(random_, "a", "doc", "R0", 1), 0, 1);
  damaged.value.clear();
  const std::vector<Record> batch{damaged,
                                  record_of(make_revision(random_, "a", "doc", "R1", 1), 0, 0),
                                  record_of(make_revision(random_, "a", "doc", "R2", 1), 0, 1),
                                  record_of(make_revision(random_, "a", "doc", "R3", 1), 0, 0)};
  std::vector<Result<Outputs>> results = indexer.process(batch);
  EXPECT_EQ(results[0].error().kind, Error::Kind::rejected);
  EXPECT_EQ(results[1].error().kind, Error::Kind::unavailable);
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(results[3].error().kind, Error::Kind::unavailable);
  const Offsets consumed{{{topics::embeddings(kGeneration), 0}, 4}};
  EXPECT_EQ(indexer.checkpoint(consumed).error().kind, Error::Kind::unavailable);

  broken.failing = false;
  results = indexer.process(batch);
  EXPECT_TRUE(results[1] && results[3]);
  EXPECT_THAT(broken.applied, ElementsAre("R1", "R3"));
  EXPECT_TRUE(indexer.checkpoint(consumed)) << "a snapshot that fails holds nothing back";
}

TEST_F(IndexerTest, remembers_its_position_and_wants_everything_when_its_directory_is_lost) {
  const Position last = driver_
                            .append({record_of(make_revision(random_, "a", "x", "R1", 2)),
                                     record_of(make_revision(random_, "a", "y", "R2", 3))})
                            .back();
  driver_.drain();
  driver_.stop();
  const TopicPartition source{topics::embeddings(kGeneration), 0};
  set_.reset();
  set_ = open_set(folder_, 1, metrics_);
  const Indexer again{*set_, system_clock()};
  EXPECT_THAT(again.restored(), ElementsAre(std::pair{source, last.offset + 1}));

  const TemporaryFolder empty;
  const auto fresh = open_set(empty, 1, metrics_);
  auto indexer = std::make_unique<Indexer>(*fresh, driver_.clock());
  EXPECT_THAT(indexer->restored(), ElementsAre(std::pair{source, Offset{0}}));
  driver_.restart_with(std::move(indexer));
  driver_.pipe(record_of(make_revision(random_, "a", "z", "R3", 1)));
  EXPECT_EQ(fresh->find(0)->counts().of("a").documents, 3);
  EXPECT_EQ(fresh->find(0)->counts().of("a").chunks, 6);
  driver_.stop();
}

TEST_F(IndexerTest, an_index_rebuilt_from_the_compacted_topic_is_the_same) {
  for (int i = 0; i < 60; ++i) {
    const std::string id = "doc-" + std::to_string(i % 9);
    const std::string name = "R" + std::to_string(100 + i);
    if (i % 7 == 3) {
      driver_.pipe(record_of(make_removal("a", id, name)));
    } else {
      const Revision revision = make_revision(random_, "a", id, name, i % 5, 1 + i % 2);
      for (std::int32_t batch = 0; batch < revision.batches; ++batch) {
        driver_.append({record_of(revision, batch)});
      }
      driver_.drain();
    }
  }
  EXPECT_LE(live_keys(driver_).size(), 18U) << "at most two records for each of nine documents";
  const IndexedCollection before = set_->find(0)->counts().of("a");
  const TemporaryFolder empty;
  const auto fresh = open_set(empty, 1, metrics_);
  driver_.restart_with(std::make_unique<Indexer>(*fresh, driver_.clock()));
  driver_.pipe(record_of(make_revision(random_, "b", "last", "R999", 1)));
  EXPECT_EQ(fresh->find(0)->counts().of("a"), before);
  driver_.stop();
}

TEST_F(IndexerTest, does_not_take_the_checkpoint_of_another_topic_for_its_own) {
  Indexer indexer{*set_, system_clock()};
  ASSERT_TRUE(indexer.checkpoint({{{"other", 0}, 44}}));
  EXPECT_EQ(set_->find(0)->restored(), std::nullopt);
  ASSERT_TRUE(indexer.checkpoint({{{topics::embeddings(kGeneration), 0}, 44}}));
  EXPECT_EQ(set_->find(0)->restored(), 44);
}

}  // namespace
}  // namespace millrace
