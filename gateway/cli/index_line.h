#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/json.h"

namespace millrace {

// One line for people about the `index` of /stats; empty where the server does not tell.
std::string index_line(json::Value index);

// A whole number that the server tells; 0 where it does not.
std::int64_t count_of(json::Value object, std::string_view name);

// 999 bytes, 1.0 kB, 1.5 GB.
std::string bytes_text(std::int64_t bytes);

}  // namespace millrace
