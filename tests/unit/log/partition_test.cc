#include <gtest/gtest.h>

#include <limits>

#include "common/log/log.h"

namespace millrace {
namespace {

// The hashes are those of Apache Kafka's own test of Utils.murmur2.
TEST(Partition, of_a_key_is_the_one_kafkas_default_partitioner_chooses) {
  const std::pair<std::string_view, std::int32_t> known[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, hash] : known) {
    for (const std::int32_t partitions : {1, 3, 7, 64, std::numeric_limits<std::int32_t>::max()}) {
      EXPECT_EQ(partition_for(key, partitions), (hash & 0x7fffffff) % partitions) << key;
    }
  }
}

TEST(Partition, ignores_what_follows_the_first_nul_of_the_key) {
  using namespace std::string_literals;
  EXPECT_EQ(partition_for("abc\0segment"s, 1000), partition_for("abc", 1000));
  EXPECT_EQ(partition_for("\0x"s, 1000), partition_for("", 1000));
  EXPECT_NE(partition_for("abd", 1000), partition_for("abc", 1000));
}

}  // namespace
}  // namespace millrace
