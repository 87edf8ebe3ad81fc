#include "workers/model/piece_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace millrace {
namespace {

TEST(PieceTrie, finds_the_longest_piece_as_a_search_over_all_lengths_does) {
  std::mt19937 random{1};
  const auto word = [&](std::size_t length) {
    std::string out;
    for (std::size_t i = 0; i < length; ++i) out += static_cast<char>("abc\xFF"[random() % 4]);
    return out;
  };
  PieceTrie trie;
  std::map<std::string, std::int32_t> pieces;
  for (std::int32_t id = 0; id < 3000; ++id) {
    const std::string piece = word(1 + random() % 8);
    EXPECT_EQ(trie.insert(piece, id), pieces.emplace(piece, id).second);
  }
  for (int round = 0; round < 2000; ++round) {
    const std::string text = word(random() % 12);
    std::size_t length = text.size();
    while (length > 0 && !pieces.contains(text.substr(0, length))) --length;
    const auto match = trie.longest(text);
    ASSERT_EQ(match.bytes, length);
    ASSERT_EQ(match.id, length == 0 ? -1 : pieces.at(text.substr(0, length)));
  }
}

TEST(PieceTrie, refuses_the_empty_piece) {
  PieceTrie trie;
  EXPECT_FALSE(trie.insert("", 1));
  EXPECT_EQ(trie.longest("x").id, -1);
}

}  // namespace
}  // namespace millrace
