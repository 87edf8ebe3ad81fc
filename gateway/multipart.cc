#include "gateway/multipart.h"

#include <algorithm>
#include <cctype>

#include "common/json.h"

namespace millrace {
namespace {

constexpr std::size_t kBoundaryBytesMax = 70;           // RFC 2046
constexpr std::size_t kPartHeaderBytesMax = 8U << 10U;  // of one part, all lines

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Reads one parameter value from `text`: a token or a quoted string; moves past it.
std::string take_value(std::string_view& text) {
  std::string value;
  if (!text.starts_with('"')) {
    const auto end = std::min(text.find(';'), text.size());
    value = trim(text.substr(0, end));
    text.remove_prefix(end);
    return value;
  }
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    // Browsers escape only the quote; a backslash in a Windows path stands for itself.
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '"') ++i;
    value += text[i];
  }
  text.remove_prefix(std::min(i + 1, text.size()));
  return value;
}

Status read_part_header(std::string_view line, FormPart& part) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return rejected("a part has a header line without \":\"");
  const std::string_view name = trim(line.substr(0, colon));
  const std::string_view value = trim(line.substr(colon + 1));
  if (equal_ignoring_case(name, "content-disposition")) {
    part.name = header_parameter(value, "name");
    part.file_name = header_parameter(value, "filename");
    if (!json::valid_utf8(part.name) || !json::valid_utf8(part.file_name)) {
      return rejected("the name of a part or file is not UTF-8");
    }
  } else if (equal_ignoring_case(name, "content-type")) {
    part.media_type = value;
  }
  return {};
}

// `text` begins after the boundary's line; `content` is cut by the caller.
Result<std::size_t> read_part_headers(std::string_view text, FormPart& part) {
  std::size_t at = 0;
  for (;;) {
    const auto end = text.find("\r\n", at);
    if (end == std::string_view::npos || end > kPartHeaderBytesMax) {
      return rejected("the headers of a part do not end");
    }
    if (end == at) return at + 2;
    if (const Status read = read_part_header(text.substr(at, end - at), part); !read) {
      return read.error();
    }
    at = end + 2;
  }
}

Problem broken(std::string detail) { return bad_field("multipart body", std::move(detail)); }

}  // namespace

std::string header_parameter(std::string_view header, std::string_view name) {
  std::size_t at = header.find(';');
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at);
  while (rest.starts_with(';')) {
    rest = trim(rest.substr(1));
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view found = trim(rest.substr(0, equals));
    rest = trim(rest.substr(equals + 1));
    std::string value = take_value(rest);
    if (equal_ignoring_case(found, name)) return value;
    rest = trim(rest);
  }
  return {};
}

Reply<std::vector<FormPart>> parse_multipart(std::string_view content_type, std::string_view body,
                                             std::size_t parts_max) {
  const std::string boundary = header_parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kBoundaryBytesMax) {
    return bad_field("Content-Type", "multipart/form-data needs a boundary of 1 to 70 characters");
  }
  const std::string opening = "--" + boundary;
  const std::string delimiter = "\r\n" + opening;
  if (!body.starts_with(opening)) return broken("does not begin with its boundary");
  std::vector<FormPart> parts;
  std::string_view rest = body.substr(opening.size());
  while (!rest.starts_with("--")) {
    if (!rest.starts_with("\r\n")) return broken("has no line break after a boundary");
    rest.remove_prefix(2);
    if (parts.size() == parts_max) {
      return broken("has more than " + std::to_string(parts_max) + " parts");
    }
    FormPart part;
    const auto headers = read_part_headers(rest, part);
    if (!headers) return broken(headers.error().message);
    if (part.name.empty()) return broken("has a part without a name");
    rest.remove_prefix(*headers);
    const auto end = rest.find(delimiter);
    if (end == std::string_view::npos) return broken("does not end with its closing boundary");
    part.content = rest.substr(0, end);
    parts.push_back(std::move(part));
    rest.remove_prefix(end + delimiter.size());
  }
  return parts;
}

}  // namespace millrace
