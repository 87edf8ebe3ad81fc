#include "gateway/stream_position.h"

#include <charconv>

namespace millrace {
namespace {

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= 0;
}

}  // namespace

std::string StreamPosition::text() const {
  return std::to_string(partition) + ":" + std::to_string(offset);
}

std::optional<StreamPosition> parse_stream_position(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  StreamPosition position;
  if (!parse_number(text.substr(0, colon), position.partition)) return std::nullopt;
  if (!parse_number(text.substr(colon + 1), position.offset)) return std::nullopt;
  return position;
}

}  // namespace millrace
