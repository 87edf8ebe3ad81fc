#pragma once

#include <string>
#include <string_view>

namespace millrace {

// What documents may be claimed to be. The extractor looks at the bytes; this only keeps out what
// it surely cannot read.

// "text/html; charset=utf-8" -> "text/html", in lower case.
std::string bare_media_type(std::string_view content_type);
bool known_media_type(std::string_view bare);
// By the name's extension; empty when it says nothing.
std::string_view media_type_for_name(std::string_view name);
std::string known_media_types();  // for messages: comma separated

}  // namespace millrace
