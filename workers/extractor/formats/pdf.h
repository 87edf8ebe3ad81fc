#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// PDF through poppler: the pages' words in reading order, put into lines and paragraphs by their
// places.
int matches_pdf(std::string_view bytes);
Result<ExtractedText> parse_pdf(std::string_view bytes, std::string_view declared_charset,
                                const FormatLimits& limits);

}  // namespace millrace
