#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace millrace {

// A ULID (26 characters of Crockford base 32): sorts by time, monotonic within the process.
// Thread-safe.
std::string new_ulid(const Clock& clock);
bool is_ulid(std::string_view text);

// Lower-case hex SHA-256.
std::string sha256_hex(std::string_view bytes);

// True when both are equal; takes the same time wherever they differ. For secrets.
bool constant_time_equal(std::string_view a, std::string_view b);

std::string base64_encode(std::string_view bytes);
// Standard alphabet, padding required; false on anything else.
bool base64_decode(std::string_view text, std::string& out);

// RFC 3339 in UTC with milliseconds: 2026-11-20T23:18:09.123Z.
std::string format_time(Clock::Wall time);

}  // namespace millrace
