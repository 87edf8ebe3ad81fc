#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// One JSON value, flattened to lines "path: value".
Result<ExtractedText> parse_json(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits);

}  // namespace millrace
