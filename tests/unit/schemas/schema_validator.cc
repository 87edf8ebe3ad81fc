#include "tests/unit/schemas/schema_validator.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace millrace {
namespace {

constexpr std::array<std::string_view, 15> kKeywords{"$schema",
                                                     "$ref",
                                                     "title",
                                                     "description",
                                                     "type",
                                                     "enum",
                                                     "required",
                                                     "properties",
                                                     "items",
                                                     "minimum",
                                                     "maximum",
                                                     "anyOf",
                                                     "additionalProperties",
                                                     "minLength",
                                                     "maxLength"};

bool has_type(json::Value value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_integer();
  if (type == "number") return value.is_number();
  throw std::runtime_error{"schema type " + std::string{type}};
}

// In code points, as JSON Schema counts.
std::int64_t length_of(std::string_view utf8) {
  return std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) throw std::runtime_error{"cannot read " + path.string()};
  return {std::istreambuf_iterator<char>{in}, {}};
}

SchemaValidator::SchemaValidator(std::filesystem::path folder) : folder_{std::move(folder)} {}

json::Value SchemaValidator::schema(const std::string& file) {
  const auto found = schemas_.find(file);
  if (found != schemas_.end()) return found->second.root();
  Result<json::Document> parsed = json::Document::parse(read_file(folder_ / file));
  if (!parsed) throw std::runtime_error{file + ": " + parsed.error().message};
  return schemas_.emplace(file, std::move(*parsed)).first->second.root();
}

std::vector<std::string> SchemaValidator::check(std::string_view name, json::Value value) {
  mistakes_.clear();
  check(schema(std::string{name} + ".schema.json"), value, {});
  return mistakes_;
}

std::vector<std::string> SchemaValidator::check_schema(std::string_view name) {
  mistakes_.clear();
  walk(schema(std::string{name} + ".schema.json"), std::string{name});
  return mistakes_;
}

void SchemaValidator::mistake(const std::string& path, const std::string& what) {
  mistakes_.push_back(path + ": " + what);
}

void SchemaValidator::walk(json::Value node, const std::string& path) {
  for (std::size_t i = 0; i < node.size(); ++i) {
    const auto [keyword, content] = node.member_at(i);
    if (std::ranges::find(kKeywords, keyword) == kKeywords.end()) {
      mistake(path, "this test does not know the keyword " + std::string{keyword});
    }
    if (keyword == "$ref") schema(std::string{content.as_string()});
    if (keyword == "items") walk(content, path + "[]");
    for (std::size_t k = 0; keyword == "anyOf" && k < content.size(); ++k) walk(content[k], path);
    for (std::size_t k = 0; keyword == "properties" && k < content.size(); ++k) {
      walk(content.member_at(k).value, path + "." + std::string{content.member_at(k).name});
    }
  }
}

void SchemaValidator::check(json::Value node, json::Value value, const Place& place) {
  if (const json::Value ref = node.member("$ref"); ref.exists()) {
    return check(schema(std::string{ref.as_string()}), value, place);
  }
  const json::Value type = node.member("type");
  if (type.exists() && !has_type(value, type.as_string())) {
    return mistake(place.path, "must be of type " + std::string{type.as_string()});
  }
  if (const json::Value values = node.member("enum"); values.exists()) {
    bool found = false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      found = found || (value.is_string() && value.as_string() == values[i].as_string());
    }
    if (!found) mistake(place.path, "is none of the enum");
  }
  check_bounds(node, value, place);
  if (value.is_object()) check_object(node, value, place);
  if (const json::Value items = node.member("items"); items.exists() && value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      check(items, value[i], {place.path + "[" + std::to_string(i) + "]"});
    }
  }
  if (node.member("anyOf").exists()) check_any_of(node.member("anyOf"), value, place);
}

void SchemaValidator::check_bounds(json::Value node, json::Value value, const Place& place) {
  const json::Value minimum = node.member("minimum");
  const json::Value maximum = node.member("maximum");
  if (value.is_number()) {
    if (minimum.exists() && value.as_double() < minimum.as_double()) {
      mistake(place.path, "is below the minimum");
    }
    if (maximum.exists() && value.as_double() > maximum.as_double()) {
      mistake(place.path, "is above the maximum");
    }
  }
  if (!value.is_string()) return;
  const json::Value shortest = node.member("minLength");
  const json::Value longest = node.member("maxLength");
  const std::int64_t length = length_of(value.as_string());
  if (shortest.exists() && length < shortest.as_integer()) mistake(place.path, "is too short");
  if (longest.exists() && length > longest.as_integer()) mistake(place.path, "is too long");
}

void SchemaValidator::check_object(json::Value node, json::Value value, const Place& place) {
  const json::Value required = node.member("required");
  for (std::size_t i = 0; required.exists() && i < required.size(); ++i) {
    if (!value.member(required[i].as_string()).exists()) {
      mistake(place.path, "lacks " + std::string{required[i].as_string()});
    }
  }
  const json::Value properties = node.member("properties");
  const json::Value further = node.member("additionalProperties");
  const bool open = !place.described || (further.exists() && further.as_bool());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto [name, content] = value.member_at(i);
    const std::string path = place.path + "." + std::string{name};
    const json::Value described = properties.exists() ? properties.member(name) : json::Value{};
    if (described.exists()) {
      check(described, content, {path, place.described});
    } else if (!open) {
      mistake(path, "is not described");
    }
  }
}

void SchemaValidator::check_any_of(json::Value choices, json::Value value, const Place& place) {
  const std::vector<std::string> before = mistakes_;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    mistakes_.clear();
    check(choices[i], value, {place.path, false});
    const bool matches = mistakes_.empty();
    mistakes_ = before;
    if (matches) return;
  }
  mistake(place.path, "fits none of anyOf");
}

}  // namespace millrace
