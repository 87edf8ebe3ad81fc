#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace {

// The pieces of a vocabulary as a byte trie whose edges stand in one open-addressing table: the
// longest piece at a place is found in one walk, without hashing each length. Built once, then
// read-only and thread-safe.
class PieceTrie {
 public:
  struct Match {
    std::int32_t id = -1;  // -1: no piece begins here
    std::size_t bytes = 0;
  };
  static constexpr std::size_t kNodesMax = (std::size_t{1} << 24U) - 1;

  PieceTrie();
  // False when the piece is empty, there already, or the trie is full.
  bool insert(std::string_view piece, std::int32_t id);
  Match longest(std::string_view text) const;
  std::size_t nodes() const { return ids_.size(); }

 private:
  struct Edge {
    std::uint32_t key;  // node << 8 | byte
    std::uint32_t child;
  };
  std::size_t slot(std::uint32_t key) const;
  void grow();

  std::vector<Edge> edges_;        // a power of two, at most half full
  std::vector<std::int32_t> ids_;  // of the piece that ends at a node, or -1
};

}  // namespace millrace
