#include "workers/index/index_set.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using testing_index::kDimensions;
using testing_index::make_revision;
using testing_index::TemporaryFolder;

TEST(IndexSet, holds_one_index_per_partition_under_its_generation) {
  const TemporaryFolder folder;
  std::mt19937 random{1};
  {
    MetricsRegistry metrics;
    const auto set = IndexSet::open(
        {.directory = folder.path(), .generation = 3, .partitions = 2, .dimensions = kDimensions},
        metrics);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ((*set)->partitions(), 2);
    EXPECT_EQ((*set)->generation(), 3);
    ASSERT_TRUE((*set)->find(0)->apply(make_revision(random, "a", "x", "R1", 2).batch(0)));
    ASSERT_TRUE((*set)->find(1)->apply(make_revision(random, "a", "y", "R2", 3).batch(0)));
    EXPECT_EQ((*set)->find(0)->counts().of("a").chunks, 2);
    EXPECT_EQ((*set)->find(1)->counts().of("a").chunks, 3);
    EXPECT_EQ((*set)->find(2), nullptr);
    EXPECT_EQ((*set)->find(-1), nullptr);
  }
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "g3" / "partition-1"));
  MetricsRegistry metrics;
  const auto again = IndexSet::open(
      {.directory = folder.path(), .generation = 3, .partitions = 2, .dimensions = kDimensions},
      metrics);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->find(0)->counts().of("a").chunks, 2);
  EXPECT_EQ((*again)->find(1)->counts().of("a").chunks, 3);
}

TEST(IndexSet, says_which_partition_could_not_be_opened) {
  const TemporaryFolder folder;
  MetricsRegistry metrics;
  const IndexSetOptions options{
      .directory = folder.path(), .generation = 1, .partitions = 1, .dimensions = kDimensions};
  const auto first = IndexSet::open(options, metrics);
  ASSERT_TRUE(first);
  const auto second = IndexSet::open(options, metrics);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("index of partition 0"), std::string::npos);
}

}  // namespace
}  // namespace millrace
