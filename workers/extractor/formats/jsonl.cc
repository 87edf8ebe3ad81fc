#include "workers/extractor/formats/jsonl.h"

#include <algorithm>
#include <string>

#include "workers/extractor/formats/json_lines.h"
#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {

Result<ExtractedText> parse_jsonl(std::string_view bytes, std::string_view declared_charset,
                                  const FormatLimits& limits) {
  const Result<std::string> text = to_utf8(bytes, declared_charset);
  if (!text) return text.error();
  TextBuilder out{limits};
  std::size_t number = 1;
  for (std::size_t at = 0; at < text->size() && !out.full(); ++number) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line = std::string_view{*text}.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const Result<json::Document> value = json::Document::parse(line);
    if (!value) {
      return with_context("line " + std::to_string(number) + " is no valid JSON", value.error());
    }
    std::string lines;
    flatten(value->root(), {}, limits.output_bytes_max, lines);
    out.add(Block::Kind::paragraph, lines);
  }
  return out.finish({}, 0);
}

}  // namespace millrace
