#pragma once

#include <string>
#include <string_view>

#include "common/json.h"

namespace millrace {

// A JSON value as lines "path: value": author.name, items[0].price. Arrays of plain values are one
// line, their values separated by commas. Null and empty values give nothing. Ends early once `out`
// is longer than `bytes_max`: long paths make much text of a small file.
void flatten(json::Value value, std::string_view path, std::size_t bytes_max, std::string& out);

// The member "title" of an object, or nothing.
std::string_view json_title(json::Value value);

}  // namespace millrace
