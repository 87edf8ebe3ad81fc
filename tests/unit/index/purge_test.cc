// What was removed or replaced leaves the files of an index.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/support/raw_search.h"
#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using testing_index::expect_same;
using testing_index::IndexModel;
using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::Revision;
using testing_index::TemporaryFolder;

// A word in which no compression finds anything that it has seen before.
std::string mark_of(const std::string& id) {
  std::mt19937 random{static_cast<unsigned>(std::hash<std::string>{}(id))};
  std::string mark;
  while (mark.size() < 32) mark += static_cast<char>('a' + random() % 26);
  return mark;
}

class PurgeTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open(std::chrono::milliseconds purge_after = std::chrono::milliseconds{0}) {
    index_.reset();
    IndexOptions options;
    options.directory = directory_;
    options.dimensions = kDimensions;
    options.block_rows = 16;
    options.purge_after = purge_after;
    auto opened = open_partition_index(options, metrics_);
    ASSERT_TRUE(opened) << opened.error().message;
    index_ = std::move(*opened);
  }
  void apply(const Revision& revision) {
    for (std::int32_t batch = 0; batch < revision.batches; ++batch) {
      ASSERT_TRUE(index_->apply(revision.batch(batch)));
      model_.apply(revision, batch);
    }
    ASSERT_TRUE(index_->checkpoint(++position_));
  }
  void add(const std::string& id, int chunks = 3, const std::string& revision = "R1") {
    Revision made = make_revision(random_, "a", id, revision, chunks);
    made.document.title = "title " + mark_of(id + revision + "t");
    made.document.metadata = R"({"source":")" + mark_of(id + revision + "m") + R"("})";
    for (Chunk& chunk : made.chunks) chunk.text += " " + mark_of(id + revision + "c");
    apply(made);
  }
  void remove(const std::string& id) { apply(make_removal("a", id, "R9")); }
  // As the indexer does, until it is done.
  void purge() {
    for (int turn = 0; index_->purged() < position_; ++turn) {
      ASSERT_LT(turn, 1'000) << "purged up to " << index_->purged();
      ASSERT_TRUE(index_->purge_when_due());
      ASSERT_TRUE(index_->settle());
    }
  }
  std::vector<std::string> files(const std::string& id, const std::string& revision = "R1") const {
    std::vector<std::string> found;
    for (const char* part : {"t", "m", "c"}) {
      for (std::string& each : files_with(directory_, mark_of(id + revision + part))) {
        found.push_back(std::move(each));
      }
    }
    return found;
  }

  std::mt19937 random_{23};
  MetricsRegistry metrics_;
  TemporaryFolder folder_;
  const std::filesystem::path directory_ = folder_.path() / "index";
  std::unique_ptr<PartitionIndex> index_;
  IndexModel model_;
  Offset position_ = 0;
};

TEST_F(PurgeTest, a_removed_document_leaves_segments_store_and_snapshots) {
  for (int i = 0; i < 20; ++i) add("doc" + std::to_string(i));
  ASSERT_TRUE(index_->settle());
  ASSERT_TRUE(index_->snapshot());
  ASSERT_THAT(files("doc3"), Not(IsEmpty()));
  remove("doc3");
  purge();
  EXPECT_THAT(files("doc3"), IsEmpty());
  EXPECT_THAT(files("doc4"), Not(IsEmpty()));
  EXPECT_EQ(index_->purged(), position_);
  expect_same(*index_, model_, random_);
}

TEST_F(PurgeTest, one_that_only_stood_in_memory_and_the_write_ahead_log_leaves_them) {
  add("young", 1);
  ASSERT_THAT(files("young"), Not(IsEmpty()));
  remove("young");
  purge();
  EXPECT_THAT(files("young"), IsEmpty());
  expect_same(*index_, model_, random_);
}

TEST_F(PurgeTest, a_replaced_revision_leaves_and_the_new_one_stays) {
  for (int i = 0; i < 8; ++i) add("doc" + std::to_string(i), 5);
  add("doc2", 4, "R2");
  purge();
  EXPECT_THAT(files("doc2", "R1"), IsEmpty());
  EXPECT_THAT(files("doc2", "R2"), Not(IsEmpty()));
  expect_same(*index_, model_, random_);
}

TEST_F(PurgeTest, a_restart_before_it_or_in_the_middle_of_it_loses_nothing) {
  for (int i = 0; i < 12; ++i) add("doc" + std::to_string(i), 4);
  ASSERT_TRUE(index_->settle());
  open(std::chrono::hours{1});
  remove("doc1");
  ASSERT_TRUE(index_->purge_when_due());
  EXPECT_LT(index_->purged(), position_) << "it waits for its time";
  EXPECT_THAT(files("doc1"), Not(IsEmpty()));
  open();
  EXPECT_LT(index_->purged(), position_);
  ASSERT_TRUE(index_->purge_when_due());  // begins it
  open();
  purge();
  EXPECT_THAT(files("doc1"), IsEmpty());
  expect_same(*index_, model_, random_);
}

TEST_F(PurgeTest, what_is_clean_says_so_at_once) {
  EXPECT_EQ(index_->purged(), 0);
  add("doc", 2);
  ASSERT_TRUE(index_->purge_when_due());
  EXPECT_EQ(index_->purged(), position_);
  open();
  EXPECT_EQ(index_->purged(), position_);
}

TEST_F(PurgeTest, a_revision_that_never_became_whole_leaves) {
  Revision half = make_revision(random_, "a", "doc", "R1", 4, 2);
  half.document.title = mark_of("docR1t");
  ASSERT_TRUE(index_->apply(half.batch(0)));
  ASSERT_TRUE(index_->checkpoint(++position_));
  ASSERT_THAT(files("doc"), Not(IsEmpty()));
  Revision whole = make_revision(random_, "a", "doc", "R2", 2);
  ASSERT_TRUE(index_->apply(whole.batch(0)));
  ASSERT_TRUE(index_->checkpoint(++position_));
  purge();
  EXPECT_THAT(files("doc"), IsEmpty());
}

TEST_F(PurgeTest, deaths_while_it_runs_are_the_next_ones_work) {
  for (int i = 0; i < 60; ++i) add("doc" + std::to_string(i), 2);
  for (int i = 0; i < 60; i += 2) {
    remove("doc" + std::to_string(i));
    ASSERT_TRUE(index_->purge_when_due());
    if (i % 6 == 0) add("more" + std::to_string(i), 3);
  }
  purge();
  for (int i = 0; i < 60; ++i) {
    const auto found = files("doc" + std::to_string(i));
    EXPECT_EQ(found.empty(), i % 2 == 0) << i;
  }
  expect_same(*index_, model_, random_);
}

}  // namespace
}  // namespace millrace
