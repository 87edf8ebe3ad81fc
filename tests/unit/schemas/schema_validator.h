#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace millrace {

// Checks values against the JSON Schemas of one folder, for the keywords that they use. A keyword
// it does not know is a mistake, never passed over. Stricter than the schemas in one point: a
// member that `properties` does not describe is a mistake, unless additionalProperties is true.
class SchemaValidator {
 public:
  explicit SchemaValidator(std::filesystem::path folder);

  // The mistakes; none: the value is as NAME.schema.json says.
  std::vector<std::string> check(std::string_view name, json::Value value);
  // The mistakes in the schema itself: unknown keywords, references to nothing.
  std::vector<std::string> check_schema(std::string_view name);

 private:
  struct Place {
    std::string path;       // in the value
    bool described = true;  // members must be described: not inside anyOf
  };

  json::Value schema(const std::string& file);
  void check(json::Value schema, json::Value value, const Place& place);
  void check_object(json::Value schema, json::Value value, const Place& place);
  void check_bounds(json::Value schema, json::Value value, const Place& place);
  void check_any_of(json::Value schema, json::Value value, const Place& place);
  void walk(json::Value schema, const std::string& path);
  void mistake(const std::string& path, const std::string& what);

  std::filesystem::path folder_;
  std::map<std::string, json::Document> schemas_;
  std::vector<std::string> mistakes_;
};

std::string read_file(const std::filesystem::path& path);

}  // namespace millrace
