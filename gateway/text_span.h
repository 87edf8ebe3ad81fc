#pragma once

#include "common/log/log.h"
#include "gateway/services.h"

namespace millrace {

inline constexpr std::int64_t kTextSpanMax = 200'000;  // code points in one answer

// The one 404 of every text that a caller cannot have.
Problem no_text(const TextRequest& wanted);

// Reads the text record at `at` and cuts the span out. Blocks. no_text() when the record is gone or
// the principal may not read it; a 404 of its own for who may, when it is of another revision.
Reply<TextSpan> read_text_span(const Log& log, const Position& at, const TextRequest& wanted,
                               const Principal& principal);

// The bytes of the code points [start, end) of valid UTF-8; as far as the text goes.
std::string_view code_points(std::string_view text, std::int64_t start, std::int64_t end);
std::int64_t count_code_points(std::string_view text);

}  // namespace millrace
