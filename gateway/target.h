#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/problem.h"

namespace millrace {

// A request target taken apart. Segments are split before they are decoded, so an encoded slash
// stays inside its segment.
struct Target {
  std::string path;  // as sent
  std::vector<std::string> segments;
  std::map<std::string, std::string, std::less<>> query;
};

// 400 for anything but an absolute path (or http URL) with valid escapes and UTF-8, and for a query
// parameter given twice.
Reply<Target> parse_target(std::string_view target);

}  // namespace millrace
