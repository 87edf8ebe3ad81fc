#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::Revision;
using testing_index::TemporaryFolder;

class RecoveryTest : public ::testing::Test {
 protected:
  void fill(int documents) {
    for (int i = 0; i < documents; ++i) {
      const std::string id = "doc-" + std::to_string(next_++);
      ASSERT_TRUE(index_->apply(make_revision(random_, "a", id, "R" + id, 5).batch(0)));
    }
  }
  void save() {
    ASSERT_TRUE(index_->checkpoint(++position_));
    ASSERT_TRUE(index_->snapshot());
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> paths;
    if (!std::filesystem::exists(directory_ / "vectors")) return paths;
    for (const auto& entry : std::filesystem::directory_iterator{directory_ / "vectors"}) {
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  // Ids and exact scores of everything, in order.
  std::vector<std::pair<std::string, double>> everything() const {
    std::vector<float> question(kDimensions, 0.25F);
    const Result<std::vector<Passage>> passages =
        index_->search({.collection = "a", .vector = question, .top_k = 1000});
    std::vector<std::pair<std::string, double>> found;
    for (const Passage& passage : *passages) found.emplace_back(passage.chunk_id, passage.score);
    return found;
  }
  void reopen() {
    index_.reset();
    index_ = open_index(directory_);
  }

  std::mt19937 random_{11};
  TemporaryFolder folder_;
  std::filesystem::path directory_ = folder_.path() / "index";
  std::unique_ptr<PartitionIndex> index_ = open_index(directory_);
  int next_ = 0;
  Offset position_ = 0;
};

TEST_F(RecoveryTest, opens_with_the_position_and_the_very_same_scores) {
  fill(30);
  save();
  fill(3);
  const auto before = everything();
  ASSERT_EQ(before.size(), 165U);
  EXPECT_EQ(files().size(), 9U);  // 150 rows in blocks of 16: the last one still grows
  reopen();
  EXPECT_EQ(index_->restored(), position_);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(index_->counts("a").documents, 33);
  EXPECT_EQ(files().size(), 9U) << "opening throws no good file away";
}

TEST_F(RecoveryTest, a_damaged_snapshot_costs_nothing_but_time) {
  fill(30);
  save();
  const auto before = everything();
  const auto damage = [](const std::filesystem::path& path, std::size_t at) {
    std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
  };
  const std::size_t size = std::filesystem::file_size(files().front());
  for (std::size_t at = 0; at < size; at += 23) {
    damage(files()[at % files().size()], at);
    reopen();
    ASSERT_EQ(everything(), before) << "byte " << at;
    ASSERT_TRUE(index_->snapshot());  // takes the damaged file's place
  }
}

TEST_F(RecoveryTest, truncated_and_missing_snapshots_are_made_again) {
  fill(30);
  save();
  const auto before = everything();
  std::filesystem::resize_file(files()[0], 0);
  std::filesystem::resize_file(files()[1], 20);
  std::filesystem::resize_file(files()[2], std::filesystem::file_size(files()[2]) - 1);
  std::filesystem::remove(files()[4]);
  std::ofstream{files()[5], std::ios::app} << "more";
  reopen();
  EXPECT_EQ(everything(), before);
  save();
  reopen();
  EXPECT_EQ(everything(), before);
  std::filesystem::remove_all(directory_ / "vectors");
  reopen();
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, a_snapshot_of_another_index_is_not_believed) {
  fill(10);
  save();
  const auto before = everything();
  const std::filesystem::path other = folder_.path() / "other";
  {
    const auto stranger = open_index(other);
    for (int i = 0; i < 10; ++i) {
      const std::string id = "x" + std::to_string(i);
      ASSERT_TRUE(stranger->apply(make_revision(random_, "a", id, id, 5).batch(0)));
    }
    ASSERT_TRUE(stranger->checkpoint(1));
    ASSERT_TRUE(stranger->snapshot());
  }
  std::filesystem::remove_all(directory_ / "vectors");
  std::filesystem::copy(other / "vectors", directory_ / "vectors");
  reopen();
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, snapshots_that_name_slots_which_a_power_cut_took_back_are_dropped) {
  fill(4);
  save();
  const std::filesystem::path earlier = folder_.path() / "earlier";
  testing_index::copy_live(directory_ / "store", earlier);
  fill(20);
  save();
  index_.reset();
  std::filesystem::remove_all(directory_ / "store");
  std::filesystem::copy(earlier, directory_ / "store", std::filesystem::copy_options::recursive);
  index_ = open_index(directory_);
  fill(30);  // gives the same slots to other chunks
  const auto before = everything();
  reopen();
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, snapshots_follow_deletions_and_compaction) {
  fill(40);
  save();
  for (int i = 0; i < 40; i += 1 + i % 3) {
    const std::string id = "doc-" + std::to_string(i);
    ASSERT_TRUE(index_->apply(make_removal("a", id, "gone" + id).batch(0)));
    const auto before = everything();
    if (i % 4 == 0) save();
    reopen();
    ASSERT_EQ(everything(), before) << i;
  }
  for (int i = 0; i < 40; ++i) {
    const std::string id = "doc-" + std::to_string(i);
    ASSERT_TRUE(index_->apply(make_removal("a", id, "gone again" + id).batch(0)));
  }
  save();
  EXPECT_THAT(everything(), IsEmpty());
  EXPECT_LE(files().size(), 1U) << "files of blocks that are gone are removed";
  reopen();
  EXPECT_THAT(everything(), IsEmpty());
}

TEST_F(RecoveryTest, staged_batches_survive_and_complete_after_reopening) {
  const Revision revision = make_revision(random_, "a", "doc", "R1", 40, 4);
  for (const std::int32_t batch : {2, 0, 3}) {
    ASSERT_TRUE(index_->apply(revision.batch(batch)));
    save();
    reopen();
    EXPECT_THAT(everything(), IsEmpty());
  }
  const Result<IndexChange> change = index_->apply(revision.batch(1));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->kind, IndexChange::Kind::swapped);
  EXPECT_EQ(everything().size(), 40U);
  reopen();
  EXPECT_EQ(everything().size(), 40U);
}

TEST_F(RecoveryTest, refuses_other_dimensions) {
  fill(1);
  index_.reset();
  MetricsRegistry metrics;
  const auto other = open_partition_index({.directory = directory_, .dimensions = 16}, metrics);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, Error::Kind::rejected);
  EXPECT_THAT(other.error().message, HasSubstr("8 dimensions, not of 16"));
  index_ = open_index(directory_);
  EXPECT_THAT(everything(), Not(IsEmpty()));
}

TEST_F(RecoveryTest, a_directory_in_use_is_not_opened_twice) {
  MetricsRegistry metrics;
  const auto second =
      open_partition_index({.directory = directory_, .dimensions = kDimensions}, metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::unavailable);
}

TEST_F(RecoveryTest, a_directory_that_cannot_be_made_is_an_error_not_a_crash) {
  std::ofstream{folder_.path() / "file"} << "x";
  MetricsRegistry metrics;
  const auto index = open_partition_index(
      {.directory = folder_.path() / "file" / "index", .dimensions = kDimensions}, metrics);
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().kind, Error::Kind::unavailable);
}

}  // namespace
}  // namespace millrace
