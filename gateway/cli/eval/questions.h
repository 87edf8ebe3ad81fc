#pragma once

#include <filesystem>
#include <vector>

#include "common/error.h"
#include "gateway/cli/eval/answers.h"

namespace millrace {

// A question-answer file, one JSON object per line:
//   question      what is asked
//   id            for messages; without: the line's number
//   answers       strings, any of which is right
//   unanswerable  true: a refusal is right
//   forbidden     strings that must not occur in the answer
//   documents     ids of documents that citations should name
// Any other member is a mistake: `rejected` with file, line and what would be right.
Result<std::vector<Question>> read_questions(const std::filesystem::path& path);

}  // namespace millrace
