#include "gateway/openapi.h"

#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "common/json.h"
#include "gateway/routes.h"
#include "gateway/web/assets.h"
#include "schemas/filter.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::set<std::string> documented() {
  std::set<std::string> found;
  const YAML::Node root = YAML::Load(std::string{openapi_yaml()});
  for (const auto& path : root["paths"]) {
    for (const auto& operation : path.second) {
      found.insert(operation.first.as<std::string>() + " " + path.first.as<std::string>());
    }
  }
  return found;
}

TEST(OpenApi, has_every_route_with_its_verb_and_no_other) {
  std::set<std::string> routed;
  for (const Route& route : route_table()) {
    routed.insert(lower(to_string(route.verb)) + " " + std::string{route.path});
  }
  EXPECT_EQ(documented(), routed);
}

TEST(OpenApi, names_every_query_parameter_of_every_route) {
  const YAML::Node root = YAML::Load(std::string{openapi_yaml()});
  for (const Route& route : route_table()) {
    SCOPED_TRACE(std::string{route.path});
    const YAML::Node operation =
        root["paths"][std::string{route.path}][lower(to_string(route.verb))];
    std::size_t named = 0;
    for (const YAML::Node& entry : operation["parameters"]) {
      YAML::Node parameter = entry;
      if (entry["$ref"]) {
        const std::string ref = entry["$ref"].as<std::string>();
        parameter = root["components"]["parameters"][ref.substr(ref.rfind('/') + 1)];
      }
      ASSERT_TRUE(parameter["name"]);
      if (parameter["in"].as<std::string>() != "query") continue;
      ++named;
      EXPECT_TRUE(knows_argument(route, parameter["name"].as<std::string>()));
    }
    const auto known = route.arguments.empty()
                           ? 0
                           : std::count(route.arguments.begin(), route.arguments.end(), ',') + 1;
    EXPECT_EQ(static_cast<std::ptrdiff_t>(named), known);
  }
}

TEST(OpenApi, tells_the_bounds_of_filters_and_of_metadata) {
  const YAML::Node schemas = YAML::Load(std::string{openapi_yaml()})["components"]["schemas"];
  const auto tells = [](const YAML::Node& schema, std::initializer_list<std::size_t> bounds) {
    const auto description = schema["description"].as<std::string>();
    for (const std::size_t bound : bounds) {
      EXPECT_THAT(description, ::testing::ContainsRegex("[^0-9]" + std::to_string(bound) + " "));
    }
  };
  const Filter::Limits limits;
  tells(schemas["Filter"],
        {limits.conditions, limits.depth, limits.values, limits.string_bytes, limits.bytes >> 10U});
  tells(schemas["NewDocument"]["properties"]["metadata"],
        {kMetadataFieldsMax, kMetadataValuesMax, kMetadataFieldBytesMax, kMetadataStringBytesMax});
}

TEST(OpenApi, has_examples_of_filters_that_are_right) {
  const auto parsed = json::Document::parse(find_web_asset("openapi.json")->bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const json::Value schemas = parsed->root().member("components").member("schemas");
  const json::Value examples = schemas.member("Filter").member("examples");
  EXPECT_EQ(examples.size(), 2U);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto filter = Filter::from(examples[i], {});
    EXPECT_TRUE(filter) << filter.error().message;
  }
}

TEST(OpenApi, says_which_routes_need_no_key) {
  const YAML::Node root = YAML::Load(std::string{openapi_yaml()});
  for (const Route& route : route_table()) {
    const YAML::Node operation =
        root["paths"][std::string{route.path}][lower(to_string(route.verb))];
    EXPECT_EQ(operation["security"].IsDefined(), !route.role.has_value()) << route.path;
  }
}

}  // namespace
}  // namespace millrace
