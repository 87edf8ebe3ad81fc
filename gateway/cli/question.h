#pragma once

#include <string>

#include "common/json.h"

namespace CLI {
class App;
}

namespace millrace {

// How passages are looked for, as `search` and `ask` take it.
struct QuestionOptions {
  std::string mode = "hybrid";
  std::string filter;  // JSON; empty: none
  bool one_per_document = false;
  double diversity = 0;
  bool explain = false;
};
// A filter that is no JSON, an unknown mode and the like are mistakes of the command line; what a
// filter may say, only the server knows.
void add_question_options(CLI::App& command, QuestionOptions& options);
// Members of the request, into an open object.
void write_members(json::Writer& out, const QuestionOptions& options);

// A passage in one line for people, with how its score came about in a second one where the server
// explains it. No newline at the end.
std::string passage_heading(std::size_t number, json::Value passage);

}  // namespace millrace
