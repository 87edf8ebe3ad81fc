#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/error.h"

namespace millrace {

// headers = [NAME "=" VALUE] {"," [NAME "=" VALUE]}, values percent-encoded, as everyone writes
// them in OTEL_EXPORTER_OTLP_HEADERS. `rejected` otherwise, without repeating a value.
Result<std::map<std::string, std::string>> parse_otlp_headers(std::string_view text);

}  // namespace millrace
