#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "schemas/document.h"
#include "workers/model/tokenizer.h"
#include "workers/text/unicode.h"

namespace millrace {

// What a chunk is made of: a sentence, a table row, a heading, or a part of one that is too long.
struct Unit {
  std::size_t begin = 0;  // bytes of the text
  std::size_t end = 0;
  std::size_t tokens = 0;
  const Block* block = nullptr;
};

// All of a text's blocks as units of at most `budget` tokens and `budget` * kBytesPerToken bytes,
// in order; white space between them is left out. Borrows the blocks.
inline constexpr std::size_t kBytesPerToken =
    16;  // an unknown word may be long: bound bytes as well
std::vector<Unit> units_of(const TextEvent& event, const CodePointIndex& index,
                           const Tokenizer& tokenizer, std::size_t budget);

// [begin, end) without white space at both ends; empty where there is nothing else.
TextRange trimmed(std::string_view text, TextRange range);

}  // namespace millrace
