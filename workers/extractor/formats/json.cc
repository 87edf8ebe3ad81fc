#include "workers/extractor/formats/json.h"

#include <string>

#include "workers/extractor/formats/json_lines.h"
#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

bool holds_objects(json::Value value) {
  return value.is_array() && value.size() > 0 && value[0].is_object();
}

class Flattener {
 public:
  Flattener(TextBuilder& out, std::size_t bytes_max) : out_{out}, bytes_max_{bytes_max} {}

  void add(json::Value value, std::string_view path) {
    std::string lines;
    flatten(value, path, bytes_max_, lines);
    out_.add(Block::Kind::paragraph, lines);
  }

  void add_elements(json::Value array, std::string_view path) {
    for (std::size_t i = 0; i < array.size() && !out_.full(); ++i) {
      add(array[i], path.empty() ? "" : std::string{path} + '[' + std::to_string(i) + ']');
    }
  }

  // Members that are lists of objects give a block for each object, the others share one.
  void add_members(json::Value object) {
    std::string lines;
    for (std::size_t i = 0; i < object.size() && lines.size() <= bytes_max_; ++i) {
      const json::Value::Member member = object.member_at(i);
      if (!holds_objects(member.value)) flatten(member.value, member.name, bytes_max_, lines);
    }
    out_.add(Block::Kind::paragraph, lines);
    for (std::size_t i = 0; i < object.size() && !out_.full(); ++i) {
      const json::Value::Member member = object.member_at(i);
      if (holds_objects(member.value)) add_elements(member.value, member.name);
    }
  }

 private:
  TextBuilder& out_;
  std::size_t bytes_max_;
};

}  // namespace

Result<ExtractedText> parse_json(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits) {
  const Result<std::string> text = to_utf8(bytes, declared_charset);
  if (!text) return text.error();
  const Result<json::Document> document = json::Document::parse(*text);
  if (!document) return with_context("the file is no valid JSON", document.error());
  const json::Value root = document->root();
  TextBuilder out{limits};
  Flattener flattener{out, limits.output_bytes_max};
  if (root.is_object()) {
    flattener.add_members(root);
  } else if (root.is_array()) {
    flattener.add_elements(root, {});
  } else {
    flattener.add(root, {});
  }
  return out.finish(json_title(root), 0);
}

}  // namespace millrace
