#include "workers/runtime/generations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using State = Generation::State;

Collection reindexed(std::string name) {
  Collection collection{.name = std::move(name), .generation = 1};
  collection.generations = {{.number = 1},
                            {.number = 4, .state = State::paused},
                            {.number = 9, .state = State::building}};
  return collection;
}

TEST(Generations, a_collection_that_nobody_has_said_anything_of_is_in_the_first_one) {
  const Generations generations;
  EXPECT_TRUE(generations.covers(1, "any"));
  EXPECT_FALSE(generations.covers(2, "any"));
  EXPECT_THAT(generations.others(), IsEmpty());
}

TEST(Generations, follow_the_records_of_collections) {
  Generations generations;
  ASSERT_TRUE(generations.apply(to_record(reindexed("b"))));
  Collection moved{.name = "a", .generation = 6};
  moved.generations = {{.number = 6}};
  ASSERT_TRUE(generations.apply(to_record(moved)));
  EXPECT_THAT(generations.others(),
              ElementsAre(Field(&Generation::number, 4), Field(&Generation::number, 6),
                          Field(&Generation::number, 9)));
  EXPECT_TRUE(generations.covers(1, "b"));
  EXPECT_TRUE(generations.covers(4, "b"));
  EXPECT_FALSE(generations.covers(1, "a"));
  EXPECT_TRUE(generations.covers(6, "a"));

  ASSERT_TRUE(generations.apply(collection_tombstone("b")));
  EXPECT_THAT(generations.others(), ElementsAre(Field(&Generation::number, 6)));
  EXPECT_TRUE(generations.covers(1, "b"));
}

TEST(Generations, keep_what_they_know_where_a_record_cannot_be_read) {
  Generations generations;
  ASSERT_TRUE(generations.apply(to_record(reindexed("b"))));
  Record broken = to_record(reindexed("b"));
  broken.value = "{";
  EXPECT_FALSE(generations.apply(broken));
  EXPECT_TRUE(generations.covers(9, "b"));
}

}  // namespace
}  // namespace millrace
