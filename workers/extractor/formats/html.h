#pragma once

#include <string>
#include <string_view>

#include "workers/extractor/formats.h"
#include "workers/extractor/text_builder.h"

namespace millrace {

// HTML as a reader sees it: scripts, styles and hidden elements are left out.
int matches_html(std::string_view bytes);
Result<ExtractedText> parse_html(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits);

// Adds a page's blocks to `out` and returns its title: <title>, else its first heading.
Result<std::string> extract_html(std::string_view utf8, TextBuilder& out);

}  // namespace millrace
