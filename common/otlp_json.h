#pragma once

#include <map>
#include <span>
#include <string>

#include "common/span.h"

namespace millrace {

// The body of OTLP/HTTP's POST /v1/traces in its JSON encoding: ids in hex, 64-bit integers as
// strings, enums as numbers. `resource` says which process the spans are of.
std::string otlp_json(std::span<const Span> spans,
                      const std::map<std::string, std::string>& resource);

}  // namespace millrace
