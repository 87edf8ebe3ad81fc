#include "gateway/metadata_bounds.h"

#include <gmock/gmock.h>

#include <random>

#include "common/json.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

// {"f0":VALUE,…}; VALUE may hold # for the field's number.
std::string fields(std::size_t count, const std::string& value) {
  std::string out = "{";
  for (std::size_t i = 0; i < count; ++i) {
    std::string each = value;
    if (const auto at = each.find('#'); at != std::string::npos) {
      each.replace(at, 1, std::to_string(i));
    }
    out += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":" + each;
  }
  return out + "}";
}

std::string list(std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + std::to_string(i);
  return out + "]";
}

TEST(MetadataBounds, let_pass_what_filters_know_whole) {
  for (const std::string& metadata :
       {std::string{"{}"}, fields(kMetadataFieldsMax, "1"), fields(kMetadataFieldsMax, "[1,1,1]"),
        "{\"a\":" + list(kMetadataValuesMax) + "}",
        "{\"" + std::string(kMetadataFieldBytesMax, 'n') + "\":1}",
        "{\"" + std::string(kMetadataFieldBytesMax + 1, 'n') + "\":null}",
        "{\"abstract\":\"" + std::string(20'000, 'x') + "\"}"}) {
    EXPECT_FALSE(unknown_to_filters(metadata)) << metadata.substr(0, 80);
  }
}

TEST(MetadataBounds, name_the_field_that_is_too_much) {
  const auto field = unknown_to_filters(fields(kMetadataFieldsMax + 1, "1"));
  ASSERT_TRUE(field);
  EXPECT_EQ(field->where, "f256");
  EXPECT_THAT(field->detail, HasSubstr("256 are allowed"));
  const auto inner = unknown_to_filters("{\"a\":[" + fields(kMetadataFieldsMax, "1") + "]}");
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->where, "a.f255");
  const auto value = unknown_to_filters("{\"a\":1,\"b\":" + list(kMetadataValuesMax) + "}");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->where, "b");
  EXPECT_THAT(value->detail, HasSubstr("1024 are allowed"));
  const auto name =
      unknown_to_filters("{\"a\":{\"" + std::string(kMetadataFieldBytesMax - 1, 'n') + "\":1}}");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->where, "a." + std::string(62, 'n') + "…");
  EXPECT_THAT(name->detail, HasSubstr("256 bytes are allowed"));
}

TEST(MetadataBounds, are_those_of_filters_for_any_document) {
  std::mt19937 random{5};
  const auto about = [&](std::size_t bound) { return bound - 3 + random() % 7; };
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    const std::size_t inner = random() % 3;
    const std::string deep = fields(inner, "{\"x\":null,\"y\":#}");
    const std::string metadata = "{\"n\":" + list(about(kMetadataValuesMax) - inner) +
                                 ",\"deep\":" + deep + ",\"" +
                                 std::string(about(kMetadataFieldBytesMax), 'n') +
                                 "\":" + (random() % 2 == 0 ? "0" : "null") + ",\"more\":[" +
                                 fields(about(kMetadataFieldsMax) - 2 * inner - 4, "[]") + "]}";
    const auto unknown = unknown_to_filters(metadata);
    EXPECT_EQ(unknown.has_value(), !metadata_keys(metadata).complete) << metadata;
    if (unknown) ++refused;
  }
  EXPECT_GT(refused, 30);
  EXPECT_LT(refused, 270);
}

}  // namespace
}  // namespace millrace
