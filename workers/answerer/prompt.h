#pragma once

#include <string>

#include "workers/answerer/language_model.h"

namespace millrace {

struct Prompt {
  std::string system;
  std::string user;
};

// A character is a quarter of a token in English and at most about one in Chinese: 24,000 bytes
// leave room for the answer in an 8k window of the first and a 32k window of the second.
inline constexpr std::size_t kPromptBytesMax = 24'000;

// The passages, numbered, in blocks that their text cannot close, then the question. Neighbours are
// one block with the number of the better one, so numbers may be missing. What passages do not fit
// whole is cut at a code point; those after it are left out. The question is always whole.
Prompt make_prompt(const AnswerTask& task, std::size_t bytes_max = kPromptBytesMax);

}  // namespace millrace
