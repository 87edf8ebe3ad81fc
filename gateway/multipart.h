#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/problem.h"

namespace millrace {

// One part of a multipart/form-data body (RFC 7578); `content` is a view into the body.
struct FormPart {
  std::string name;
  std::string file_name;   // empty: a plain field
  std::string media_type;  // as sent; empty: not said
  std::string_view content;
};

// 400 for a missing or broken boundary, a body that does not end with its closing boundary, a part
// without a name, headers that are not, or more than `parts_max` parts.
Reply<std::vector<FormPart>> parse_multipart(std::string_view content_type, std::string_view body,
                                             std::size_t parts_max);

// The value of `name` in "a; name=value; other=\"quoted\""; empty when it is not there.
std::string header_parameter(std::string_view header, std::string_view name);

}  // namespace millrace
