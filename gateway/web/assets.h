#pragma once

#include <optional>
#include <string_view>

namespace millrace {

// A file of the page, built into the program.
struct WebAsset {
  std::string_view content_type;
  std::string_view bytes;
};

// `path` as in /web/PATH; empty when there is no such file.
std::optional<WebAsset> find_web_asset(std::string_view path);

}  // namespace millrace
