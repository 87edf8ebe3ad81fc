#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "tests/support/sanitized.h"
#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using testing_index::IndexModel;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::Revision;
using testing_index::TemporaryFolder;

// One index and its model under random records, reopenings and crashes.
class RandomRun {
 public:
  explicit RandomRun(unsigned seed) : random_{seed} {}

  void run(int steps) {
    index_ = open_index(directory());
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      one_step();
      if (chance(4)) testing_index::expect_same(*index_, model_, random_);
    }
  }

 private:
  struct Applied {
    Revision revision;
    std::int32_t batch = 0;
    IndexChange change;
  };

  bool chance(unsigned of) { return random_() % of == 0; }
  std::filesystem::path directory() const { return folder_.path() / std::to_string(directories_); }

  void one_step() {
    const auto dice = random_() % 100;
    if (dice < 55) {
      put();
    } else if (dice < 65) {
      remove();
    } else if (dice < 80) {
      deliver_late();
    } else if (dice < 86) {
      if (chance(2)) {
        ASSERT_TRUE(index_->settle());
      }
      checkpoint();
    } else if (dice < 90) {
      reopen();
    } else if (dice < 94) {
      crash_keeping_everything();
    } else if (dice < 97) {
      crash_losing_what_was_not_synced();
    } else {
      replay();
    }
  }

  void deliver(const Revision& revision, std::int32_t batch) {
    const Result<IndexChange> change = index_->apply(revision.batch(batch));
    ASSERT_TRUE(change) << change.error().message;
    const IndexChange wanted = model_.apply(revision, batch);
    EXPECT_EQ(change->kind, wanted.kind);
    EXPECT_EQ(change->superseded_keys, wanted.superseded_keys);
    uncommitted_.push_back({revision, batch, wanted});
  }

  std::string name() { return "R" + std::to_string(1000 + revisions_++); }
  std::string document() { return "document-" + std::to_string(random_() % 12); }
  std::string collection() { return chance(3) ? "b" : "a"; }

  void put() {
    const std::vector<std::vector<std::string>> lists{{}, {}, {"red"}, {"blue"}, {"red", "green"}};
    const auto batches = static_cast<std::int32_t>(1 + random_() % 3);
    const Revision revision =
        make_revision(random_, collection(), document(), name(), static_cast<int>(random_() % 9),
                      batches, lists[random_() % lists.size()]);
    std::vector<std::int32_t> order;
    for (std::int32_t i = 0; i < batches; ++i) {
      order.push_back(i);
      if (chance(5)) order.push_back(i);
    }
    std::shuffle(order.begin(), order.end(), random_);
    const bool whole = !chance(4);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (!whole && i > 0) {  // comes later, or never, or after another revision
        late_.emplace_back(revision, order[i]);
        continue;
      }
      deliver(revision, order[i]);
    }
  }

  void remove() { deliver(make_removal(collection(), document(), name()), 0); }

  void deliver_late() {
    if (late_.empty()) return;
    const std::size_t at = random_() % late_.size();
    deliver(late_[at].first, late_[at].second);
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void checkpoint() {
    position_ += static_cast<Offset>(uncommitted_.size()) + 1;
    ASSERT_TRUE(index_->checkpoint(position_));
    ASSERT_TRUE(index_->snapshot());
    uncommitted_.clear();
    saved_ = folder_.path() / "saved";
    testing_index::copy_live(directory(), saved_);
    has_saved_ = true;
  }

  void open() {
    index_ = open_index(directory());
    EXPECT_EQ(index_->restored(), has_saved_ ? std::optional{position_} : std::nullopt);
  }
  void reopen() {
    index_.reset();
    open();
  }
  // The directory as it is while the index is open: nothing has been closed or synced.
  void crash_keeping_everything() {
    const std::filesystem::path from = directory();
    ++directories_;
    testing_index::copy_live(from, directory());
    index_.reset();
    open();
  }
  void crash_losing_what_was_not_synced() {
    if (!has_saved_) return;
    index_.reset();
    ++directories_;
    std::filesystem::copy(saved_, directory(), std::filesystem::copy_options::recursive);
    open();
    for (const Applied& applied : uncommitted_) {
      const Result<IndexChange> change = index_->apply(applied.revision.batch(applied.batch));
      ASSERT_TRUE(change) << change.error().message;
      EXPECT_EQ(change->kind, applied.change.kind);
      EXPECT_EQ(change->superseded_keys, applied.change.superseded_keys);
    }
  }
  // The index is ahead of the log: the records of an aborted commit come again.
  void replay() {
    for (const Applied& applied : uncommitted_) {
      const Result<IndexChange> change = index_->apply(applied.revision.batch(applied.batch));
      ASSERT_TRUE(change) << change.error().message;
      if (applied.change.kind == IndexChange::Kind::staged &&
          change->kind == IndexChange::Kind::ignored) {
        continue;  // staged then, dropped since: its key is superfluous
      }
      EXPECT_EQ(change->kind, applied.change.kind);
      EXPECT_EQ(change->superseded_keys, applied.change.superseded_keys);
    }
  }

  std::mt19937 random_;
  TemporaryFolder folder_;
  int directories_ = 0;
  std::filesystem::path saved_;
  bool has_saved_ = false;
  std::unique_ptr<PartitionIndex> index_;
  IndexModel model_;
  int revisions_ = 0;
  Offset position_ = 0;
  std::vector<std::pair<Revision, std::int32_t>> late_;
  std::vector<Applied> uncommitted_;
};

class RandomRecords : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomRecords, leave_the_same_index_as_a_plain_map_through_crashes_and_replays) {
  RandomRun{GetParam()}.run(300 / kSanitizerShare);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRecords, ::testing::Values(1U, 2U, 3U, 4U));

}  // namespace
}  // namespace millrace
