#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "workers/model/tokenizer.h"

namespace millrace {

// A question and a passage as the BERT family reads them: [CLS] question [SEP] passage [SEP].
struct EncodedPair {
  std::vector<std::int32_t> ids;
  std::size_t first = 0;  // ids up to and with the first [SEP]: segment 0; those after it: 1
};

// One question beside many passages. Immutable; the tokenizer is not needed after it is made.
class PairEncoder {
 public:
  // Of a pair; else there is no room for both texts.
  static constexpr std::size_t kTokensMin = 16;

  // A question that takes more than half of max_tokens is cut there. `rejected` where the tokenizer
  // does not put exactly two special tokens around a text, or max_tokens is below kTokensMin.
  static Result<PairEncoder> make(const Tokenizer& tokenizer, std::string_view question,
                                  std::size_t max_tokens);

  // At most max_tokens ids: what is too much of the passage is left out.
  EncodedPair encode(const Tokenizer& tokenizer, std::string_view passage) const;

 private:
  PairEncoder() = default;
  std::vector<std::int32_t> head_;  // [CLS] question [SEP]
  std::int32_t separator_ = 0;
  std::size_t max_tokens_ = 0;
};

}  // namespace millrace
