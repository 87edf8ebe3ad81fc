#pragma once

#include <string>
#include <string_view>

#include "common/json.h"

namespace CLI {
class App;
}

namespace millrace {

// Which dead letters a command is about, as the server takes it.
struct LetterConditions {
  std::string stage;
  std::string topic;
  std::string kind;
  std::string state;
  std::string collection;
  std::string document;
  std::string after;
  std::string before;
  bool all = false;
};
enum class AllLetters { implied, named };  // whether it takes --all to mean all
void add_letter_conditions(CLI::App& command, LetterConditions& conditions, AllLetters all);
bool is_empty(const LetterConditions& conditions);

std::string as_query(const LetterConditions& conditions);  // &NAME=VALUE…
std::string as_body(const LetterConditions& conditions, std::string_view cursor);

// For people. Whatever the server tells is hostile.
std::string letter_lines(json::Value letter);
std::string letter_details(json::Value letter);
std::string skipped_line(json::Value reason);

}  // namespace millrace
