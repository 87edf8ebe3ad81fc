#pragma once

#include <string>
#include <string_view>

namespace millrace {

// schemas/openapi.yaml as it was at build time.
std::string_view openapi_yaml();

// The same as one HTML page that needs no script and no network.
const std::string& docs_page();

}  // namespace millrace
