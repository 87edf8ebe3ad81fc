#pragma once

#include <string_view>

#include "workers/extractor/formats.h"

namespace millrace {

// Markdown with GitHub's tables, through its HTML form. A title is taken from YAML front matter.
Result<ExtractedText> parse_markdown(std::string_view bytes, std::string_view declared_charset,
                                     const FormatLimits& limits);

}  // namespace millrace
