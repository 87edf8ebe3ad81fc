#include "workers/model/piece_trie.h"

#include <bit>

namespace millrace {
namespace {

constexpr std::uint32_t kEmpty = 0xFFFFFFFFU;  // no key: a node's number has 24 bits and is smaller

}  // namespace

PieceTrie::PieceTrie() : edges_(1024, Edge{kEmpty, 0}), ids_{-1} {}

// Where the key is, or the free slot where it belongs.
std::size_t PieceTrie::slot(std::uint32_t key) const {
  const std::size_t mask = edges_.size() - 1;
  const auto shift = static_cast<unsigned>(std::countl_zero(mask));
  std::size_t at = (key * 0x9E3779B97F4A7C15U) >> shift;  // Fibonacci hashing: high bits are best
  while (edges_[at].key != key && edges_[at].key != kEmpty) at = (at + 1) & mask;
  return at;
}

void PieceTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2, Edge{kEmpty, 0});
  old.swap(edges_);
  for (const Edge& edge : old) {
    if (edge.key != kEmpty) edges_[slot(edge.key)] = edge;
  }
}

bool PieceTrie::insert(std::string_view piece, std::int32_t id) {
  if (piece.empty()) return false;
  std::uint32_t node = 0;
  for (const char byte : piece) {
    const std::uint32_t key = node << 8U | static_cast<unsigned char>(byte);
    std::size_t at = slot(key);
    if (edges_[at].key == kEmpty) {
      if (ids_.size() >= kNodesMax) return false;
      if (ids_.size() * 2 >= edges_.size()) {
        grow();
        at = slot(key);
      }
      edges_[at] = {key, static_cast<std::uint32_t>(ids_.size())};
      ids_.push_back(-1);
    }
    node = edges_[at].child;
  }
  if (ids_[node] >= 0) return false;
  ids_[node] = id;
  return true;
}

PieceTrie::Match PieceTrie::longest(std::string_view text) const {
  Match best;
  std::uint32_t node = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const Edge& edge = edges_[slot(node << 8U | static_cast<unsigned char>(text[at]))];
    if (edge.key == kEmpty) break;
    node = edge.child;
    if (ids_[node] >= 0) best = {ids_[node], at + 1};
  }
  return best;
}

}  // namespace millrace
