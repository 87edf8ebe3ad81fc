#include "workers/model/pair_encoding.h"

#include <algorithm>
#include <string>

namespace millrace {
namespace {

// Longest piece of text that one token stands for, nearly always: an unknown word may be longer.
// Bounds the work on text that would be cut off anyway.
constexpr std::size_t kTokenBytesMax = 64;

std::string_view beginning(std::string_view text, std::size_t tokens) {
  return text.substr(0, tokens * kTokenBytesMax);  // a cut code point is one more unknown word
}

void append(const std::vector<Token>& tokens, std::size_t count, std::vector<std::int32_t>& ids) {
  for (std::size_t i = 0; i < std::min(count, tokens.size()); ++i) ids.push_back(tokens[i].id);
}

}  // namespace

Result<PairEncoder> PairEncoder::make(const Tokenizer& tokenizer, std::string_view question,
                                      std::size_t max_tokens) {
  if (max_tokens < kTokensMin) {
    return rejected("a pair of texts needs at least " + std::to_string(kTokensMin) + " tokens");
  }
  const std::vector<std::int32_t> around = tokenizer.encode("", max_tokens);
  if (around.size() != 2) {
    return rejected(
        "expected a tokenizer that puts [CLS] before a text and [SEP] after it; this "
        "one adds " +
        std::to_string(around.size()) + " special tokens");
  }
  PairEncoder encoder;
  encoder.max_tokens_ = max_tokens;
  encoder.separator_ = around[1];
  encoder.head_.push_back(around[0]);
  const std::size_t room = max_tokens / 2 - 2;
  append(tokenizer.tokenize(beginning(question, room)), room, encoder.head_);
  encoder.head_.push_back(encoder.separator_);
  return encoder;
}

EncodedPair PairEncoder::encode(const Tokenizer& tokenizer, std::string_view passage) const {
  EncodedPair pair{head_, head_.size()};
  const std::size_t room = max_tokens_ - head_.size() - 1;
  append(tokenizer.tokenize(beginning(passage, room)), room, pair.ids);
  pair.ids.push_back(separator_);
  return pair;
}

}  // namespace millrace
