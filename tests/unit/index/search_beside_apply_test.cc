#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <random>
#include <set>
#include <thread>

#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::Revision;
using testing_index::TemporaryFolder;

constexpr int kRounds = 150;
constexpr int kReaders = 2;

// Revision R of the one document in "a" has 1 + R % 40 chunks.
int chunks_of(int revision) { return 1 + revision % 40; }

// Every chunk of one revision and no other.
void expect_whole(const std::vector<Passage>& passages) {
  std::set<std::string> revisions;
  std::set<std::string> chunks;
  for (const Passage& passage : passages) {
    revisions.insert(passage.revision);
    chunks.insert(passage.chunk_id);
    EXPECT_EQ(passage.text.substr(0, 4 + passage.revision.size()), "doc " + passage.revision);
    EXPECT_EQ(passage.title, "Title of " + passage.revision);
  }
  ASSERT_EQ(revisions.size(), 1U);
  EXPECT_EQ(chunks.size(), static_cast<std::size_t>(chunks_of(std::stoi(*revisions.begin()))));
  EXPECT_EQ(chunks.size(), passages.size());
}

// By nearness, by words and by both: nothing, or one revision.
void expect_whole_revision(const PartitionIndex& index) {
  const std::vector<float> question(kDimensions, 0.3F);
  const std::vector<IndexSearch> searches{
      {.collection = "a", .vector = question, .top_k = 200},
      {.collection = "a", .question = "doc", .top_k = 200},
      {.collection = "a", .question = "doc chunk", .vector = question, .top_k = 200}};
  for (const Result<IndexHits>& found : index.search(searches)) {
    ASSERT_TRUE(found) << found.error().message;
    if (!found->passages.empty()) expect_whole(found->passages);
  }
}

TEST(SearchBesideApply, sees_whole_revisions_only_while_they_are_replaced_and_merged) {
  const TemporaryFolder folder;
  const auto index = open_index(folder.path(), 32);  // a segment every few records
  std::atomic<bool> done{false};
  std::barrier started{kReaders + 1};
  std::vector<std::jthread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      started.arrive_and_wait();
      do {
        expect_whole_revision(*index);
        EXPECT_GE(index->counts().all.documents, 0);
      } while (!done && !::testing::Test::HasFailure());
    });
  }
  started.arrive_and_wait();
  std::mt19937 random{3};
  for (int round = 0; round < kRounds; ++round) {
    const Revision revision =
        make_revision(random, "a", "doc", std::to_string(round), chunks_of(round), 1 + round % 3);
    for (std::int32_t batch = 0; batch < revision.batches; ++batch) {
      EXPECT_TRUE(index->apply(revision.batch(batch)));
    }
    const std::string other = "other-" + std::to_string(round % 7);
    EXPECT_TRUE(index->apply(make_revision(random, "b", other, std::to_string(round), 9).batch(0)));
    if (round % 10 == 9) {
      const std::string gone = "gone" + std::to_string(round);
      EXPECT_TRUE(index->apply(make_removal("a", "doc", gone).batch(0)));
      EXPECT_TRUE(index->checkpoint(round));
      EXPECT_TRUE(index->snapshot());
    }
  }
  done = true;
}

}  // namespace
}  // namespace millrace
