#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "workers/model/tokenizer.h"

namespace millrace {

// What a tokenizer.json says about a WordPiece tokenizer.
struct WordPieceSettings {
  bool clean_text = true;            // drop control characters, unify white space
  bool handle_chinese_chars = true;  // each ideograph is a word
  bool strip_accents = true;
  bool lowercase = true;
  std::string continuing_prefix = "##";
  std::string unknown = "[UNK]";
  std::size_t word_chars_max = 100;          // longer words are unknown
  std::vector<std::int32_t> special_before;  // put around the text by encode()
  std::vector<std::int32_t> special_after;
};

using Vocabulary = std::vector<std::pair<std::string, std::int32_t>>;

// `rejected` when the unknown token is not in the vocabulary or an id is negative.
Result<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(WordPieceSettings settings,
                                                            const Vocabulary& vocabulary);

}  // namespace millrace
