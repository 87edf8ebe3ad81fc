#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "schemas/filter.h"
#include "schemas/filter_advice.h"
#include "schemas/filter_node.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

using Node = Filter::Node;
using Kind = Node::Kind;
using filter_advice::for_field;
using filter_advice::for_operation;
using filter_advice::kAbsent;
using filter_advice::kAnd;
using filter_advice::kEq;
using filter_advice::kIn;
using filter_advice::kNone;
using filter_advice::kOr;
using filter_advice::shown;
using filter_advice::with_field;

constexpr std::array<std::string_view, 8> kOperations{"eq", "ne",  "lt", "lte",
                                                      "gt", "gte", "in", "exists"};
constexpr std::string_view kOperationsText =
    "the operators are eq, ne, lt, lte, gt, gte, in and exists";

Error wrong(const std::string& place, const std::string& what) {
  return rejected(place + ": " + what);
}

// What a condition is about, on its way down.
struct Subject {
  std::string place;
  std::string field;
};

class FilterParser {
 public:
  explicit FilterParser(const Filter::Limits& limits) : limits_{limits} {
    limits_.string_bytes = std::min(limits.string_bytes, kMetadataStringBytesMax);
  }

  Result<Node> filter(json::Value value, const std::string& place, std::size_t depth) {
    if (!value.is_object()) {
      return wrong(place, R"(expected an object such as {"year": {"gte": 2020}}, found )" +
                              std::string{value.type_name()});
    }
    if (value.size() == 0) {
      return wrong(place, R"(expected at least one condition, such as {"year": {"gte": 2020}})");
    }
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const json::Value::Member each = value.member_at(i);
      if (Status status = member(each, place, depth, nodes); !status) return status.error();
    }
    return join(Kind::all, std::move(nodes));
  }

 private:
  static Node join(Kind kind, std::vector<Node> nodes) {
    if (nodes.size() == 1) return std::move(nodes.front());
    Node joined{kind, {}};
    for (Node& node : nodes) {
      if (node.kind == kind) {
        std::move(node.children.begin(), node.children.end(), std::back_inserter(joined.children));
      } else {
        joined.children.push_back(std::move(node));
      }
    }
    return joined;
  }

  Status member(const json::Value::Member& member, const std::string& place, std::size_t depth,
                std::vector<Node>& out) {
    const bool joint = member.name == "and" || member.name == "or";
    if (!joint && member.name != "not") {
      std::string_view field = member.name;
      if (field.starts_with('\\')) field.remove_prefix(1);
      return conditions({place + "." + shown(field), std::string{field}}, member.value, out);
    }
    const std::string inner = place + "." + std::string{member.name};
    if (depth == limits_.depth) {
      return wrong(inner, "nested deeper than " + std::to_string(limits_.depth) + " levels");
    }
    Result<Node> node =
        joint ? list(member, inner, depth + 1) : negation(member.value, inner, depth + 1);
    if (!node) return node.error();
    out.push_back(std::move(*node));
    return {};
  }

  Result<Node> negation(json::Value value, const std::string& place, std::size_t depth) {
    if (value.is_array()) {
      return wrong(place, "expected a filter, found array; write " + std::string{kNone});
    }
    Result<Node> inner = filter(value, place, depth);
    if (!inner) return inner.error();
    Node node{Kind::none, {}};
    node.children.push_back(std::move(*inner));
    return node;
  }

  Result<Node> list(const json::Value::Member& member, const std::string& place,
                    std::size_t depth) {
    const bool both = member.name == "and";
    if (!member.value.is_array() || member.value.size() == 0) {
      return wrong(
          place,
          "expected a list of at least one filter, found " +
              std::string{member.value.is_array() ? "an empty one" : member.value.type_name()} +
              "; write " + std::string{both ? kAnd : kOr} + ", or for a field of this name \"\\\\" +
              std::string{member.name} + "\"");
    }
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < member.value.size(); ++i) {
      Result<Node> each = filter(member.value[i], place + "[" + std::to_string(i) + "]", depth);
      if (!each) return each.error();
      nodes.push_back(std::move(*each));
    }
    return join(both ? Kind::all : Kind::any, std::move(nodes));
  }

  Status conditions(const Subject& subject, json::Value value, std::vector<Node>& out) {
    if (subject.field.size() > limits_.string_bytes) {
      return wrong(subject.place,
                   "the name has more than " + std::to_string(limits_.string_bytes) + " bytes");
    }
    if (!value.is_object()) return condition(subject, "eq", value, out);
    if (value.size() == 0) {
      return wrong(subject.place, "expected a value or operators, found an empty object; " +
                                      std::string{kOperationsText});
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const json::Value::Member each = value.member_at(i);
      const auto known = std::find(kOperations.begin(), kOperations.end(), each.name);
      if (known == kOperations.end()) return unknown_operation(subject, each.name);
      const Subject inner{subject.place + "." + std::string{*known}, subject.field};
      if (Status status = condition(inner, *known, each.value, out); !status) return status;
    }
    return {};
  }

  static Error unknown_operation(const Subject& subject, std::string_view name) {
    const std::string_view outer = for_field(subject.field);
    const std::string_view inner = for_operation(name);
    std::string advice;
    if (!outer.empty()) {
      advice = "write " + std::string{outer} + "; ";
    } else if (!inner.empty()) {
      advice = "write " + with_field(inner, subject.field) + "; ";
    } else {
      advice = "for a field inside of an object write \"" +
               shown(subject.field + "." + std::string{name}) + "\"; ";
    }
    return wrong(subject.place, "unknown operator \"" + shown(name) + "\"; " + advice +
                                    std::string{kOperationsText});
  }

  Status condition(const Subject& subject, std::string_view operation, json::Value value,
                   std::vector<Node>& out) {
    if (++conditions_ > limits_.conditions) {
      return wrong(subject.place,
                   "more than " + std::to_string(limits_.conditions) + " conditions");
    }
    Node node{Kind::condition, {}, subject.field, operation};
    const Status status = operation == "exists" ? exists(subject, value, node)
                          : operation == "in"   ? any_of(subject, value, node)
                                                : compare(subject, value, node);
    if (!status) return status.error();
    node.operand = value.serialize();
    out.push_back(std::move(node));
    return {};
  }

  static Status exists(const Subject& subject, json::Value value, Node& node) {
    if (!value.is_bool()) {
      return wrong(subject.place,
                   "expected true or false, found " + std::string{value.type_name()});
    }
    const std::string key = field_key(subject.field);
    node.ranges.push_back({key, key + '\0'});
    node.absent = !value.as_bool();
    return {};
  }

  Status any_of(const Subject& subject, json::Value value, Node& node) {
    if (!value.is_array() || value.size() == 0) {
      return wrong(subject.place,
                   "expected a list of at least one value, found " +
                       std::string{value.is_array() ? "an empty one" : value.type_name()});
    }
    if (values_ += value.size(); values_ > limits_.values) {
      return wrong(subject.place,
                   "more than " + std::to_string(limits_.values) + " values in lists");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Subject element{subject.place + "[" + std::to_string(i) + "]", subject.field};
      if (Status status = check(element, value[i]); !status) return status;
      const std::string key = field_key(subject.field) + value_key(value[i]);
      node.ranges.push_back({key, key + '\0'});
    }
    return {};
  }

  Status compare(const Subject& subject, json::Value value, Node& node) {
    if (Status status = check(subject, value); !status) return status;
    const std::string field = field_key(subject.field);
    const std::string typed = value_key(value);
    const std::string key = field + typed;
    const std::string type_begin = field + typed.front();
    const std::string type_end = field + static_cast<char>(typed.front() + 1);
    const std::string behind = key + '\0';  // the next key that there can be
    if (node.operation == "eq" || node.operation == "ne") {
      node.ranges.push_back({key, behind});
      node.absent = node.operation == "ne";
      return {};
    }
    if (value.is_bool()) {
      return wrong(subject.place,
                   "expected a string or a number, found boolean, which has no order");
    }
    if (node.operation == "lt") node.ranges.push_back({type_begin, key});
    if (node.operation == "lte") node.ranges.push_back({type_begin, behind});
    if (node.operation == "gt") node.ranges.push_back({behind, type_end});
    if (node.operation == "gte") node.ranges.push_back({key, type_end});
    return {};
  }

  Status check(const Subject& subject, json::Value value) const {
    if (value.is_string() && value.as_string().size() > limits_.string_bytes) {
      return wrong(subject.place,
                   "a string of more than " + std::to_string(limits_.string_bytes) + " bytes");
    }
    if (value.is_string() || value.is_number() || value.is_bool()) return {};
    const std::string_view habit = for_field(subject.field);
    std::string_view advice = value.is_array() ? kIn : value.is_null() ? kAbsent : kEq;
    if (!habit.empty() && value.is_array()) advice = habit;
    return wrong(subject.place, "expected a string, a number, true or false, found " +
                                    std::string{value.type_name()} + "; write " +
                                    with_field(advice, subject.field));
  }

  Filter::Limits limits_;
  std::size_t conditions_ = 0;
  std::size_t values_ = 0;
};

// The recursion is bounded: the parser let no more levels pass.
std::size_t depth_of(const Node& node) {
  std::size_t depth = 0;
  for (const Node& child : node.children) depth = std::max(depth, depth_of(child));
  return node.children.empty() ? 0 : depth + 1;
}

Error too_large(const Filter::Limits& limits) {
  return rejected("filter: larger than " + std::to_string(limits.bytes) + " bytes");
}

}  // namespace

Result<Filter> Filter::parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) return too_large(limits);
  Result<json::Document> document = json::Document::parse(text);
  if (!document) return with_context("filter", document.error());
  return from(document->root(), limits);
}

Result<Filter> Filter::from(json::Value value, const Limits& limits) {
  Filter filter;
  if (!value.exists() || value.is_null() || (value.is_object() && value.size() == 0)) return filter;
  Result<Node> root = FilterParser{limits}.filter(value, "filter", 0);
  if (!root) return root.error();
  if (depth_of(*root) > limits.depth) {
    return rejected("filter: nested deeper than " + std::to_string(limits.depth) +
                    R"( levels; several conditions in one object are an "and" of their own)");
  }
  filter.root_ = std::make_shared<const Node>(std::move(*root));
  if (filter.serialize().size() > limits.bytes) return too_large(limits);
  return filter;
}

}  // namespace millrace
