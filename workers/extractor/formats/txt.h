#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// Plain text of any encoding; paragraphs end at blank lines.
int matches_txt(std::string_view bytes);
Result<ExtractedText> parse_txt(std::string_view bytes, std::string_view declared_charset,
                                const FormatLimits& limits);

}  // namespace millrace
