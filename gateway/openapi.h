#pragma once

#include <string_view>

namespace millrace {

// schemas/openapi.yaml as it was at build time.
std::string_view openapi_yaml();

}  // namespace millrace
