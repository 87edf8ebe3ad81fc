#include "workers/index/audiences.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

bool sees(const Audiences& audiences, Audience number, const std::string& collection,
          const std::vector<std::string>& groups, bool everything = false) {
  const std::vector<std::uint8_t> table = audiences.visible(collection, everything, groups);
  return number < table.size() && table[number] == 1;
}

TEST(Audiences, an_allow_list_opens_to_its_groups_only) {
  Audiences audiences;
  const Audience open = audiences.acquire("c", {}, 1);
  const Audience red = audiences.acquire("c", {"red", "green"}, 1);
  EXPECT_TRUE(sees(audiences, open, "c", {}));
  EXPECT_FALSE(sees(audiences, red, "c", {}));
  EXPECT_FALSE(sees(audiences, red, "c", {"blue"}));
  EXPECT_TRUE(sees(audiences, red, "c", {"blue", "green"}));
  EXPECT_TRUE(sees(audiences, red, "c", {}, true));
  EXPECT_FALSE(sees(audiences, red, "other", {"red"}, true));
}

TEST(Audiences, nobody_sees_dead_or_staged_rows) {
  Audiences audiences;
  audiences.acquire("c", {}, 1);
  EXPECT_FALSE(sees(audiences, kDeadRow, "c", {}, true));
  EXPECT_FALSE(sees(audiences, kStagedRow, "c", {}, true));
}

TEST(Audiences, the_same_list_in_another_order_is_the_same_audience) {
  Audiences audiences;
  EXPECT_EQ(audiences.acquire("c", {"a", "b"}, 1), audiences.acquire("c", {"b", "a", "b"}, 1));
  EXPECT_NE(audiences.acquire("c", {"a"}, 1), audiences.acquire("d", {"a"}, 1));
}

TEST(Audiences, numbers_are_used_again_once_no_row_has_them) {
  Audiences audiences;
  const Audience first = audiences.acquire("c", {"red"}, 3);
  audiences.release("c", {"red"}, 2);
  EXPECT_TRUE(sees(audiences, first, "c", {"red"}));
  audiences.release("c", {"red"}, 1);
  EXPECT_TRUE(audiences.visible("c", true, {}).empty());
  const Audience second = audiences.acquire("d", {"blue"}, 1);
  EXPECT_EQ(second, first);
  const std::vector<std::string> red{"red"};
  EXPECT_TRUE(audiences.visible("c", false, red).empty());
  EXPECT_FALSE(sees(audiences, second, "d", red));
}

}  // namespace
}  // namespace millrace
