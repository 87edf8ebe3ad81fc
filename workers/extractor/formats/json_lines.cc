#include "workers/extractor/formats/json_lines.h"

#include <algorithm>

#include "workers/extractor/text_builder.h"

namespace millrace {
namespace {

bool is_plain(json::Value value) { return !value.is_array() && !value.is_object(); }

std::string plain_text(json::Value value) {
  if (value.is_null()) return {};
  // A line break inside a value would end its line.
  return value.is_string() ? one_line(value.as_string(), INT64_MAX) : value.serialize();
}

void put_line(std::string_view path, const std::string& text, std::string& out) {
  if (text.empty()) return;
  if (!out.empty()) out += '\n';
  if (!path.empty()) {
    out += path;
    out += ": ";
  }
  out += text;
}

std::string joined(json::Value array) {
  std::string text;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string element = plain_text(array[i]);
    if (element.empty()) continue;
    text += text.empty() ? "" : ", ";
    text += element;
  }
  return text;
}

void flatten_array(json::Value array, std::string_view path, std::size_t bytes_max,
                   std::string& out) {
  bool plain = true;
  for (std::size_t i = 0; i < array.size() && plain; ++i) plain = is_plain(array[i]);
  if (plain) {
    put_line(path, joined(array), out);
    return;
  }
  for (std::size_t i = 0; i < array.size() && out.size() <= bytes_max; ++i) {
    flatten(array[i], std::string{path} + '[' + std::to_string(i) + ']', bytes_max, out);
  }
}

}  // namespace

// Recursion is bounded by the depth that json::Limits allows.
void flatten(json::Value value, std::string_view path, std::size_t bytes_max, std::string& out) {
  if (value.is_array()) {
    flatten_array(value, path, bytes_max, out);
  } else if (value.is_object()) {
    const std::string prefix = path.empty() ? "" : std::string{path} + '.';
    for (std::size_t i = 0; i < value.size() && out.size() <= bytes_max; ++i) {
      const json::Value::Member member = value.member_at(i);
      flatten(member.value, prefix + std::string{member.name}, bytes_max, out);
    }
  } else {
    put_line(path, plain_text(value), out);
  }
}

std::string_view json_title(json::Value value) {
  if (!value.is_object()) return {};
  const json::Value title = value.member("title");
  return title.is_string() ? title.as_string() : std::string_view{};
}

}  // namespace millrace
