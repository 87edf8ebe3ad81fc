#include "gateway/media_types.h"

#include <algorithm>
#include <cctype>

namespace millrace {
namespace {

struct MediaTypeRow {
  std::string_view media_type;
  std::string_view extensions;  // " .a .b "
};

constexpr MediaTypeRow kMediaTypes[] = {
    {"application/pdf", " .pdf "},
    {"text/html", " .html .htm "},
    {"application/xhtml+xml", " .xhtml "},
    {"text/markdown", " .md .markdown "},
    {"text/x-markdown", ""},
    {"text/plain", " .txt .text .log .rst "},
    {"text/csv", " .csv "},
    {"text/tab-separated-values", " .tsv "},
    {"application/json", " .json "},
    {"application/x-ndjson", " .jsonl .ndjson "},
    {"application/jsonl", ""},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", " .docx "},
    {"application/octet-stream", ""},  // the bytes decide
};

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string bare_media_type(std::string_view content_type) {
  std::string_view bare = content_type.substr(0, content_type.find(';'));
  while (!bare.empty() && (bare.back() == ' ' || bare.back() == '\t')) bare.remove_suffix(1);
  while (!bare.empty() && (bare.front() == ' ' || bare.front() == '\t')) bare.remove_prefix(1);
  return lower(bare);
}

bool known_media_type(std::string_view bare) {
  return std::any_of(std::begin(kMediaTypes), std::end(kMediaTypes),
                     [bare](const MediaTypeRow& row) { return row.media_type == bare; });
}

std::string_view media_type_for_name(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const std::string wanted = " " + lower(name.substr(dot)) + " ";
  for (const MediaTypeRow& row : kMediaTypes) {
    if (row.extensions.find(wanted) != std::string_view::npos) return row.media_type;
  }
  return {};
}

std::string known_media_types() {
  std::string names;
  for (const MediaTypeRow& row : kMediaTypes) {
    if (!names.empty()) names += ", ";
    names += row.media_type;
  }
  return names;
}

}  // namespace millrace
