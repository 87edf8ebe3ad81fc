#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// A JSON value in each line, flattened to lines "path: value"; a block per line.
Result<ExtractedText> parse_jsonl(std::string_view bytes, std::string_view declared_charset,
                                  const FormatLimits& limits);

}  // namespace millrace
