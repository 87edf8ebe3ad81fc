#pragma once

#include <string>

#include "common/json.h"

namespace millrace {

// One line for people about the `index` of /stats; empty where the server does not tell.
std::string index_line(json::Value index);

// 999 bytes, 1.0 kB, 1.5 GB.
std::string bytes_text(std::int64_t bytes);

}  // namespace millrace
