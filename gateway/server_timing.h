#pragma once

#include <string>

#include "gateway/services.h"

namespace millrace {

// The Server-Timing field of a search, in milliseconds: embed, index, log (what is left: hops and
// waiting), total.
std::string server_timing(const SearchResult& found);

}  // namespace millrace
