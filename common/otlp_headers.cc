#include "common/otlp_headers.h"

#include <algorithm>
#include <utility>

#include "common/percent_encoding.h"

namespace millrace {
namespace {

bool is_name(std::string_view name) {
  constexpr std::string_view kToken =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
  return !name.empty() && name.find_first_not_of(kToken) == std::string_view::npos;
}

bool is_printable(std::string_view value) {
  return std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<std::map<std::string, std::string>> parse_otlp_headers(std::string_view text) {
  std::map<std::string, std::string> headers;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view pair = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view name = trimmed(pair.substr(0, equals));
    std::string value;
    if (equals == pair.size() || !is_name(name) ||
        !percent_decode(trimmed(pair.substr(equals + 1)), false, value) || !is_printable(value)) {
      return rejected("is not NAME=VALUE[,NAME=VALUE…] with percent-encoded values");
    }
    headers.insert_or_assign(std::string{name}, std::move(value));
  }
  return headers;
}

}  // namespace millrace
