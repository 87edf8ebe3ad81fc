#include <gmock/gmock.h>

#include "samples.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> blocks(std::string_view format, std::string_view bytes) {
  const auto text = parse_as(format, bytes);
  EXPECT_TRUE(text) << text.error().message;
  return text ? block_texts(*text) : std::vector<std::string>{};
}

TEST(Csv, names_the_columns_in_every_row) {
  EXPECT_THAT(
      blocks("csv", "name,age,town\r\nAnn,41,Oslo\r\nBob,,Rome\r\n"),
      ElementsAre("name | age | town", "name: Ann; age: 41; town: Oslo", "name: Bob; town: Rome"));
}

TEST(Csv, finds_the_delimiter) {
  for (const char delimiter : {',', ';', '\t', '|'}) {
    const std::string d(1, delimiter);
    EXPECT_THAT(blocks("csv", "name" + d + "price\nTea" + d + "1.20\n"),
                ElementsAre("name | price", "name: Tea; price: 1.20"));
  }
}

TEST(Csv, reads_quoted_cells_with_delimiters_newlines_and_quotes) {
  EXPECT_THAT(blocks("csv", "a,b\n\"x, y\",\"line one\nline \"\"two\"\"\"\n\"open, z"),
              ElementsAre("a | b", "a: x, y; b: line one line \"two\"", "a: open, z"));
}

TEST(Csv, keeps_ragged_rows) {
  EXPECT_THAT(blocks("csv", "a,b\n1,2\n3\n4,5,6\n7,8\n"),
              ElementsAre("a | b", "1 | 2", "3", "4 | 5 | 6", "7 | 8"));
  EXPECT_THAT(blocks("csv", "a,b,c\n1,2,3\n4\n"),
              ElementsAre("a | b | c", "a: 1; b: 2; c: 3", "a: 4"));
}

TEST(Csv, reads_a_table_without_header_and_one_below_a_title) {
  EXPECT_THAT(blocks("csv", "1,2\n3,4\n"), ElementsAre("1 | 2", "3 | 4"));
  EXPECT_THAT(blocks("csv", "Prices,,\nname,net,gross\nTea,1,2\n"),
              ElementsAre("Prices", "name | net | gross", "name: Tea; net: 1; gross: 2"));
}

TEST(Json, flattens_objects_to_paths) {
  EXPECT_THAT(blocks("json", R"({"title":"T","author":{"name":"A","born":1970},"tags":["x","y"],
                                 "none":null,"on":true})"),
              ElementsAre("title: T\nauthor.name: A\nauthor.born: 1970\ntags: x, y\non: true"));
}

TEST(Json, makes_a_block_of_each_element) {
  EXPECT_THAT(blocks("json", R"([{"a":1},{"a":{"b":[{"c":2}]}},"x"])"),
              ElementsAre("a: 1", "a.b[0].c: 2", "x"));
  EXPECT_THAT(blocks("json", R"({"name":"n","rows":[{"a":1},{"a":2}]})"),
              ElementsAre("name: n", "rows[0].a: 1", "rows[1].a: 2"));
}

TEST(Json, takes_the_title_and_says_what_is_malformed) {
  EXPECT_EQ(parse_as("json", R"({"title":"T"})")->title, "T");
  const auto broken = parse_as("json", "{\"a\":1,\n \"b\":}");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, Error::Kind::rejected);
  EXPECT_THAT(broken.error().message, HasSubstr("no valid JSON: "));
  EXPECT_FALSE(parse_as("json", std::string(100'000, '[')));
}

TEST(Json, long_paths_cannot_make_much_text_of_a_small_file) {
  std::string json = "{\"" + std::string(100'000, 'k') + "\":[[]";
  for (int i = 0; i < 10'000; ++i) json += ",1";
  const auto text = parse_as("json", json + "]}", {}, {.output_bytes_max = 1U << 20U});
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("1048576 bytes"));
}

TEST(Jsonl, makes_a_block_of_each_line_and_names_the_malformed_one) {
  EXPECT_THAT(blocks("jsonl", "{\"a\":1}\r\n\r\n{\"a\":2,\"b\":\"x\"}\n"),
              ElementsAre("a: 1", "a: 2\nb: x"));
  const auto broken = parse_as("jsonl", "{\"a\":1}\n\n{\"a\":\n");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("line 3 "));
}

}  // namespace
}  // namespace millrace
