#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// Word documents (OOXML, transitional and strict): body, tables, notes; not what is deleted or
// hidden.
int matches_docx(std::string_view bytes);
Result<ExtractedText> parse_docx(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits);

}  // namespace millrace
