#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "schemas/query.h"

namespace millrace {

// Passages that a language model reads as one: they overlap or touch in a page of a document.
struct JoinedPassage {
  std::int32_t number = 0;         // from 1: the place of the best one of them
  std::vector<std::size_t> parts;  // their places from 0, in the order of the document
  std::string text;                // what they share once
};

// What stands between two passages that touch: white space, at most so many code points.
inline constexpr std::int64_t kTouchingMax = 8;

// Each passage is in one of them; they come in the order of their best ones. A passage whose text
// does not go with its span is joined to none.
std::vector<JoinedPassage> join_neighbours(std::span<const Passage> passages);

}  // namespace millrace
