#include "schemas/filter.h"

#include <algorithm>

#include "schemas/filter_node.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

using Kind = Filter::Node::Kind;

bool has_key(const MetadataKeys& metadata, const KeyRange& range) {
  const auto found = std::lower_bound(metadata.keys.begin(), metadata.keys.end(), range.low);
  return found != metadata.keys.end() && *found < range.high;
}

// Whether the node surely holds, or with `negated` surely does not.
bool holds(const Filter::Node& node, bool negated, const MetadataKeys& metadata) {
  if (node.kind == Kind::none) return holds(node.children.front(), !negated, metadata);
  if (node.kind == Kind::condition) {
    const bool found = std::any_of(node.ranges.begin(), node.ranges.end(),
                                   [&](const KeyRange& range) { return has_key(metadata, range); });
    return node.absent == negated ? found : !found && metadata.complete;
  }
  auto child_holds = [&](const Filter::Node& child) { return holds(child, negated, metadata); };
  return (node.kind == Kind::all) != negated
             ? std::all_of(node.children.begin(), node.children.end(), child_holds)
             : std::any_of(node.children.begin(), node.children.end(), child_holds);
}

std::string escaped(const std::string& field) {
  const bool special = field == "and" || field == "or" || field == "not" || field.starts_with('\\');
  return special ? "\\" + field : field;
}

void write(json::Writer& out, const Filter::Node& node) {
  out.begin_object();
  if (node.kind == Kind::condition) {
    out.key(escaped(node.field));
    if (node.operation == "eq") {
      out.raw(node.operand);
    } else {
      out.begin_object().key(node.operation).raw(node.operand).end_object();
    }
  } else if (node.kind == Kind::none) {
    write(out.key("not"), node.children.front());
  } else {
    out.key(node.kind == Kind::all ? "and" : "or").begin_array();
    for (const Filter::Node& child : node.children) write(out, child);
    out.end_array();
  }
  out.end_object();
}

}  // namespace

std::string Filter::serialize() const {
  if (empty()) return "{}";
  json::Writer out;
  write(out, *root_);
  return out.take();
}

bool Filter::matches(std::string_view metadata) const {
  return empty() || holds(*root_, false, metadata_keys(metadata));
}

}  // namespace millrace
