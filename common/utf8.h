#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

// Length of the well-formed UTF-8 sequence (RFC 3629: no surrogates, no overlong forms) at the
// start of `text`, which is not empty; 0 when there is none.
std::size_t utf8_sequence_length(std::string_view text);

// Each byte that belongs to no well-formed sequence becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace millrace
