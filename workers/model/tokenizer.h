#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

// One token and the bytes of the text it stands for.
struct Token {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Text to the ids of an embedding model. Thread-safe, immutable.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // All tokens of the text, without special ones, without truncation.
  virtual std::vector<Token> tokenize(std::string_view utf8) const = 0;
  // Ids as the model wants them: special tokens around, cut to `max_tokens` in all.
  virtual std::vector<std::int32_t> encode(std::string_view utf8, std::size_t max_tokens) const = 0;
  virtual std::size_t special_tokens() const = 0;  // how many encode() adds
};

// From a Hugging Face tokenizer.json of the WordPiece (BERT) family; its padding and truncation are
// ignored. `rejected` with the reason for another family.
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& tokenizer_json);

}  // namespace millrace
