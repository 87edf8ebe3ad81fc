#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>
#include <set>

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

using Found = std::multiset<std::string>;

class RecoveryTest : public ::testing::Test {
 protected:
  void fill(int documents) {
    for (int i = 0; i < documents; ++i) {
      const std::string id = "doc-" + std::to_string(next_++);
      ASSERT_TRUE(index_->apply(make_revision(random_, "a", id, "R" + id, 5).batch(0)));
    }
  }
  void save() {
    ASSERT_TRUE(index_->settle());
    ASSERT_TRUE(index_->checkpoint(++position_));
    ASSERT_TRUE(index_->snapshot());
  }
  std::vector<std::filesystem::path> segments() const {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator{directory_ / "segments"}) {
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  // Everything that is found by nearness and by a word, with what makes its scores, by id.
  Found everything() const {
    const std::vector<float> question(kDimensions, 0.25F);
    const std::vector<IndexSearch> searches{
        {.collection = "a", .vector = question, .top_k = 1000},
        {.collection = "a", .question = "chunk 3", .top_k = 1000}};
    Found found;
    for (const Result<IndexHits>& hits : index_->search(searches)) {
      EXPECT_TRUE(hits) << hits.error().message;
      for (const Passage& passage : hits->passages) {
        std::string counts;
        for (const auto& word : passage.match->counts) {
          for (const std::int64_t count : word) counts += " " + std::to_string(count);
        }
        // Which kernel computes a cosine depends on where the row is.
        const double cosine = passage.match->cosine.value_or(0);
        found.insert(passage.chunk_id + " " + passage.text + counts + " " +
                     std::to_string(std::lround(cosine * 10'000)));
      }
    }
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

void flip_byte(const std::filesystem::path& path, std::size_t at) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x10));
}

TEST_F(RecoveryTest, opens_with_the_position_and_the_very_same_rows) {
  fill(30);
  save();
  fill(3);
  const auto before = everything();
  ASSERT_EQ(before.size(), 2 * 165U);
  ASSERT_TRUE(index_->settle());
  const auto files = segments();
  EXPECT_FALSE(files.empty());
  reopen();
  EXPECT_EQ(index_->restored(), position_);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(index_->counts().of("a").documents, 33);
  ASSERT_TRUE(index_->settle());
  EXPECT_EQ(segments(), files) << "opening throws no good file away";
}

TEST_F(RecoveryTest, a_flipped_byte_anywhere_costs_nothing_but_time) {
  fill(30);
  save();
  const auto before = everything();
  for (const char* const file : {"manifest", "vectors", "words", "columns"}) {
    const std::size_t size = std::filesystem::file_size(segments().front() / file);
    for (std::size_t at = 0; at < size; at += 1 + size / 25) {
      const auto folder = segments()[at % segments().size()];
      if (at >= std::filesystem::file_size(folder / file)) continue;
      index_.reset();
      flip_byte(folder / file, at);
      index_ = open_index(directory_);
      EXPECT_FALSE(std::filesystem::exists(folder)) << file << " byte " << at;
      ASSERT_EQ(everything(), before) << file << " byte " << at;
      ASSERT_TRUE(index_->settle());
    }
  }
}

TEST_F(RecoveryTest, files_that_are_cut_or_missing_or_longer_are_made_again) {
  for (const char* const file : {"manifest", "vectors", "words", "columns"}) {
    fill(10);
    save();
    const auto before = everything();
    const auto damaged = [&](const auto& damage) {
      const std::filesystem::path folder = segments().back();
      index_.reset();
      damage(folder / file);
      index_ = open_index(directory_);
      EXPECT_EQ(everything(), before) << file;
      EXPECT_FALSE(std::filesystem::exists(folder)) << file;
      ASSERT_TRUE(index_->settle());
      EXPECT_EQ(everything(), before) << file;
    };
    damaged([](const auto& path) { std::filesystem::resize_file(path, 0); });
    damaged([](const auto& path) { std::filesystem::resize_file(path, 20); });
    damaged([](const auto& path) {
      std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    });
    damaged([](const auto& path) { std::filesystem::remove(path); });
    damaged([](const auto& path) { std::ofstream{path, std::ios::app} << "more"; });
  }
  const auto before = everything();
  index_.reset();
  std::filesystem::remove_all(directory_ / "segments");
  index_ = open_index(directory_);
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, a_file_of_another_segment_is_not_believed) {
  fill(4);
  save();
  fill(4);
  save();
  const auto before = everything();
  const auto folders = segments();
  ASSERT_GE(folders.size(), 2U);
  index_.reset();
  std::filesystem::copy_file(folders[0] / "words", folders[1] / "words",
                             std::filesystem::copy_options::overwrite_existing);
  index_ = open_index(directory_);
  EXPECT_FALSE(std::filesystem::exists(folders[1]));
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, segments_of_another_index_are_not_believed) {
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
    ASSERT_TRUE(stranger->settle());
  }
  index_.reset();
  std::filesystem::remove_all(directory_ / "segments");
  std::filesystem::copy(other / "segments", directory_ / "segments",
                        std::filesystem::copy_options::recursive);
  index_ = open_index(directory_);
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, segments_that_name_slots_which_a_power_cut_took_back_are_dropped) {
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
  EXPECT_EQ(index_->counts().of("a").chunks, 20);
  fill(30);  // gives the same slots to other chunks
  ASSERT_TRUE(index_->settle());
  const auto before = everything();
  reopen();
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, a_merge_that_a_crash_left_beside_its_sources_counts_once) {
  fill(12);
  save();
  const std::filesystem::path earlier = folder_.path() / "earlier";
  testing_index::copy_live(directory_ / "segments", earlier);
  std::vector<std::filesystem::path> merged;  // of the earlier ones; when, is up to the threads
  for (int round = 0; round < 20 && merged.empty(); ++round) {
    fill(20);
    save();
    for (const auto& entry : std::filesystem::directory_iterator{earlier}) {
      const bool stays = std::filesystem::exists(directory_ / "segments" / entry.path().filename());
      if (!stays) merged.push_back(entry.path());
    }
  }
  ASSERT_FALSE(merged.empty());
  const auto before = everything();
  index_.reset();
  for (const auto& path : merged) {
    std::filesystem::copy(path, directory_ / "segments" / path.filename(),
                          std::filesystem::copy_options::recursive);
  }
  std::filesystem::create_directories(directory_ / "segments" / "00000000000000009999.tmp");
  index_ = open_index(directory_);
  EXPECT_EQ(everything(), before);
  ASSERT_TRUE(index_->settle());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "segments" / "00000000000000009999.tmp"));
}

TEST_F(RecoveryTest, segments_follow_deletions_and_merges) {
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
  EXPECT_THAT(segments(), IsEmpty()) << "files of segments that are gone are removed";
  reopen();
  EXPECT_THAT(everything(), IsEmpty());
}

TEST_F(RecoveryTest, a_damaged_store_is_removed_and_comes_again_from_the_log) {
  fill(30);
  save();
  index_.reset();
  for (const auto& entry : std::filesystem::directory_iterator{directory_ / "store"}) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      std::filesystem::resize_file(entry.path(), 10);
    }
  }
  index_ = open_index(directory_);
  EXPECT_EQ(index_->restored(), std::nullopt);
  EXPECT_THAT(everything(), IsEmpty());
  next_ = 0;
  fill(30);
  EXPECT_EQ(index_->counts().of("a").documents, 30);
  const auto before = everything();
  reopen();
  EXPECT_EQ(everything(), before);
}

TEST_F(RecoveryTest, damage_that_was_found_in_use_is_gone_after_the_next_opening) {
  fill(3);
  save();
  index_.reset();
  std::ofstream{directory_ / "damaged"} << "a chunk's row is damaged";
  index_ = open_index(directory_);
  EXPECT_EQ(index_->restored(), std::nullopt);
  EXPECT_EQ(index_->counts().all.documents, 0);
  fill(3);
  save();
  reopen();
  EXPECT_EQ(index_->counts().all.documents, 3);
}

TEST_F(RecoveryTest, a_snapshot_is_the_index_as_it_was) {
  fill(30);
  save();
  const auto before = everything();
  const Offset position = position_;
  const std::filesystem::path snapshots = directory_ / "snapshots";
  const auto names = [&] {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator{snapshots}) {
      found.push_back(entry.path());
    }
    return found;
  };
  ASSERT_EQ(names().size(), 1U);
  const std::filesystem::path first = names().front();
  const std::filesystem::path copy = folder_.path() / "copy";
  std::filesystem::copy(first, copy, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(index_->snapshot());
  EXPECT_EQ(names().front(), first) << "nothing has changed";
  fill(30);
  save();
  ASSERT_EQ(names().size(), 1U);
  EXPECT_NE(names().front(), first);
  // It is a directory that an index opens.
  index_ = open_index(copy);
  EXPECT_EQ(index_->restored(), position);
  EXPECT_EQ(everything(), before);
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
  EXPECT_EQ(everything().size(), 2 * 40U);
  reopen();
  EXPECT_EQ(everything().size(), 2 * 40U);
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
