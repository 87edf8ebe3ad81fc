#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// Rows with their columns' names, so that each can be understood by itself.
Result<ExtractedText> parse_csv(std::string_view bytes, std::string_view declared_charset,
                                const FormatLimits& limits);

}  // namespace millrace
