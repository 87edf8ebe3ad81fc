#include "gateway/backup/offset_map.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

const TopicPartition kHere{"documents", 1};

TEST(OffsetMap, knows_where_records_have_gone) {
  OffsetMap map;
  const std::pair<Offset, Offset> pairs[] = {{3, 0}, {4, 1}, {9, 2}, {10, 5}, {11, 6}};
  for (const auto& [old, restored] : pairs) map.add(kHere, old, restored);
  for (const auto& [old, restored] : pairs) {
    EXPECT_EQ(map.of(kHere, old), restored);
    EXPECT_EQ(map.at_or_before(kHere, old), restored);
    EXPECT_EQ(map.at_or_after(kHere, old), restored);
  }
  for (const Offset gone : {0, 2, 5, 8, 12}) EXPECT_FALSE(map.of(kHere, gone)) << gone;
  EXPECT_FALSE(map.at_or_before(kHere, 2));
  EXPECT_EQ(map.at_or_before(kHere, 5), 1);
  EXPECT_EQ(map.at_or_before(kHere, 99), 6);
  EXPECT_EQ(map.at_or_after(kHere, 0), 0);
  EXPECT_EQ(map.at_or_after(kHere, 5), 2);
  EXPECT_EQ(map.at_or_after(kHere, 12), 7) << "the end";
}

TEST(OffsetMap, knows_nothing_of_other_partitions) {
  OffsetMap map;
  map.add(kHere, 3, 0);
  EXPECT_FALSE(map.of({"documents", 0}, 3));
  EXPECT_FALSE(map.at_or_before({"texts", 1}, 3));
  EXPECT_EQ(map.at_or_after({"texts", 1}, 3), 0);
}

}  // namespace
}  // namespace millrace
