#pragma once

#include "common/json.h"
#include "gateway/dead_letters.h"

namespace millrace {

// Dead letters as clients see them.
void write_json(json::Writer& out, const DeadLetter& letter);
std::string to_json(const LetterPage& page);
std::string to_json(const LetterDetails& details);
std::string to_json(const LettersChanged& changed, std::string_view done);  // its name

}  // namespace millrace
