#include "common/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace millrace::json {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Document parsed(std::string_view text) {
  auto document = Document::parse(text);
  if (!document) {
    ADD_FAILURE() << document.error().message;
    return *Document::parse("null");
  }
  return *std::move(document);
}

std::string mistake_in(std::string_view text, Limits limits = {}) {
  const auto document = Document::parse(text, limits);
  if (document) return "";
  EXPECT_EQ(document.error().kind, Error::Kind::rejected);
  return document.error().message;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, has_no_member_of_what_is_no_object) {
  const Document document = parsed(R"([1,"a",null])");
  EXPECT_FALSE(document.root().member("a").exists());
  EXPECT_FALSE(document.root()[1].member("a").member("b").exists());
  EXPECT_FALSE(Value{}.member("a").exists());
}

TEST(Json, reads_every_type) {
  const Document document =
      parsed(R"({"s":"a\u00e9\ud83d\ude00\n","i":-5,"d":2.5,"t":true,"n":null,"a":[1,[]],"o":{}})");
  const Value root = document.root();
  EXPECT_EQ(root.member("s").as_string(), "aé😀\n");
  EXPECT_EQ(root.member("i").as_integer(), -5);
  EXPECT_EQ(root.member("d").as_double(), 2.5);
  EXPECT_TRUE(root.member("t").as_bool());
  EXPECT_TRUE(root.member("n").is_null());
  EXPECT_EQ(root.member("a").size(), 2U);
  EXPECT_TRUE(root.member("a")[1].is_array());
  EXPECT_EQ(root.size(), 7U);
  EXPECT_EQ(root.member_at(1).name, "i");
  EXPECT_FALSE(root.member("missing").exists());
  EXPECT_EQ(root.member("missing").type_name(), "nothing");
  EXPECT_EQ(root.member("o").type_name(), "object");
}

TEST(Json, keeps_a_nul_inside_a_string) {
  const Document document = parsed(R"("a\u0000b")");
  EXPECT_EQ(document.root().as_string(), std::string_view("a\0b", 3));
  EXPECT_EQ(document.root().serialize(), R"("a\u0000b")");
}

TEST(Json, takes_only_what_fits_64_bits_for_an_integer) {
  const Document document = parsed(
      "[9223372036854775807,-9223372036854775808,9223372036854775808,1e300,1.0,"
      "123456789012345678901]");
  const Value root = document.root();
  EXPECT_EQ(root[0].as_integer(), INT64_MAX);
  EXPECT_EQ(root[1].as_integer(), INT64_MIN);
  for (std::size_t i = 2; i < root.size(); ++i) {
    EXPECT_TRUE(root[i].is_number());
    EXPECT_FALSE(root[i].is_integer()) << i;
  }
  EXPECT_EQ(root[2].as_double(), 9223372036854775808.0);
}

TEST(Json, reads_doubles_to_the_last_bit) {
  for (const double number :
       {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308}) {
    const std::string text = Writer{}.value(number).take();
    EXPECT_EQ(parsed(text).root().as_double(), number) << text;
  }
}

TEST(Json, says_where_and_what_was_expected) {
  EXPECT_THAT(mistake_in(""), HasSubstr("expected a JSON value"));
  EXPECT_THAT(mistake_in("{\n  \"é\": 1,\n  \"b\" 2}"),
              AllOf(HasSubstr("line 3, column 7"), HasSubstr("expected ':'")));
  EXPECT_THAT(mistake_in("[\"é\",x]"), HasSubstr("line 1, column 6"));
  EXPECT_THAT(mistake_in("[1 2]"), HasSubstr("expected ',' or ']'"));
  EXPECT_THAT(mistake_in("{\"a\":1} x"), HasSubstr("expected the end"));
  EXPECT_THAT(mistake_in("\"\\q\""), HasSubstr("backslash"));
  EXPECT_THAT(mistake_in("\"open"), HasSubstr("at the end of a string"));
}

TEST(Json, refuses_what_is_not_json) {
  for (const std::string_view text : {"{a:1}",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "NaN",
                                      "Infinity",
                                      "01",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "'a'",
                                      "// x\n1",
                                      "\"\t\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00x\"",
                                      "{\"\\udc00\":1}",
                                      "1e999",
                                      "-1e999",
                                      "tru",
                                      "{",
                                      "[",
                                      "\xEF\xBB\xBF"
                                      "1"}) {
    EXPECT_NE(mistake_in(text), "") << text;
  }
}

TEST(Json, refuses_bytes_behind_a_nul) {
  EXPECT_THAT(mistake_in(std::string_view("{\"a\":1}\0garbage", 15)), HasSubstr("column 8"));
  EXPECT_NE(mistake_in(std::string_view("\0", 1)), "");
}

TEST(Json, refuses_invalid_utf8) {
  for (const std::string_view bytes :
       {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80",
        "\xf0\x80\x80\x80"}) {
    EXPECT_FALSE(valid_utf8(bytes));
    EXPECT_NE(mistake_in("\"" + std::string{bytes} + "\""), "");
  }
  EXPECT_TRUE(valid_utf8("aé€😀\xEF\xBF\xBF"));
  for (std::size_t before = 0; before < 20; ++before) {  // at every place of a word of eight bytes
    const std::string ascii(before, 'x');
    EXPECT_TRUE(valid_utf8(ascii + "é12345678"));
    EXPECT_FALSE(valid_utf8(ascii + "\xff" + "12345678"));
  }
}

TEST(Json, refuses_a_duplicate_key_at_its_level_only) {
  EXPECT_THAT(mistake_in("{\"a\":1,\n\"a\":2}"),
              AllOf(HasSubstr("line 2"), HasSubstr("\"a\" is there twice")));
  EXPECT_THAT(mistake_in("{\"a\":1,\"\\u0061\":2}"), HasSubstr("twice"));
  parsed(R"({"a":{"a":[{"a":1},{"a":2}]}})");
}

TEST(Json, limits_depth_and_number_of_values) {
  parsed(nested(64));
  EXPECT_THAT(mistake_in(nested(65)), HasSubstr("deeper than 64"));
  EXPECT_THAT(mistake_in(std::string(1'000'000, '[')), HasSubstr("deeper than 64"));
  EXPECT_EQ(mistake_in(nested(200'000), {.depth = 200'000}), "");  // the stack does not matter
  EXPECT_EQ(mistake_in("[1,2]", {.depth = 1, .values = 3}), "");
  EXPECT_THAT(mistake_in("[1,2,3]", {.depth = 1, .values = 3}), HasSubstr("more than 3 values"));
}

TEST(Json, writes_compactly_and_escapes) {
  Writer out;
  out.begin_object()
      .field("text", "a\"b\\c\n\x01/é")
      .field("count", std::uint64_t{7})
      .field("flag", false)
      .key("half")
      .value(0.5)
      .key("none")
      .null()
      .strings("list", {"x", "y"})
      .key("raw")
      .raw("[1]")
      .end_object();
  EXPECT_EQ(out.take(),
            R"({"text":"a\"b\\c\n\u0001/é","count":7,"flag":false,"half":0.5,"none":null,)"
            R"("list":["x","y"],"raw":[1]})");
  EXPECT_EQ(out.begin_array().end_array().take(), "[]");  // empty again after take()
  EXPECT_EQ(quote(std::string_view{}), "\"\"");
}

TEST(Json, replaces_invalid_utf8_when_writing) {
  EXPECT_EQ(quote("a\xff"
                  "b\xe2\x82"),
            "\"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(parsed(quote("\xed\xa0\x80 é")).root().as_string(),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD é");
}

TEST(Json, serializes_a_part_so_that_it_reads_the_same) {
  const std::string text = R"({"a":[1,-2.5,"x\u0002",null,true],"b":{"c":18446744073709551615}})";
  EXPECT_EQ(parsed(text).root().serialize(), text);
}

struct Read {
  std::string question;
  std::int64_t top_k = 10;
  double weight = 1;
  bool exact = false;
  std::vector<std::string> tags;

  Status from(std::string_view text,
              ObjectReader::Unknown unknown = ObjectReader::Unknown::refuse) {
    const auto document = Document::parse(text);
    if (!document) return document.error();
    ObjectReader in{document->root(), "query", unknown};
    in.required("question", question);
    in.optional("top_k", top_k, 1, 100);
    in.optional("weight", weight);
    in.optional("exact", exact);
    in.optional("tags", tags);
    return in.finish();
  }
  std::string mistake(std::string_view text) {
    const Status status = from(text);
    return status ? "" : status.error().message;
  }
};

std::string found(std::string_view text, std::vector<std::string_view> path) {
  const auto span = find_member(text, path);
  return span ? std::string{text.substr(span->begin, span->end - span->begin)} : "nowhere";
}

TEST(FindMember, shows_where_a_value_stands) {
  const std::string_view text =
      R"( {"s":"a\"b,}]","o":{"n":[1,{"a":2}],"a": -1.5e3 ,"e":{}},"a":true,"l":[],"z":null} )";
  EXPECT_EQ(found(text, {"s"}), R"("a\"b,}]")");
  EXPECT_EQ(found(text, {"o", "a"}), "-1.5e3");
  EXPECT_EQ(found(text, {"o", "n"}), R"([1,{"a":2}])");
  EXPECT_EQ(found(text, {"o", "e"}), "{}");
  EXPECT_EQ(found(text, {"a"}), "true");
  EXPECT_EQ(found(text, {"l"}), "[]");
  EXPECT_EQ(found(text, {"z"}), "null");
  for (const std::vector<std::string_view>& path :
       {std::vector<std::string_view>{"b"}, {"o", "z"}, {"a", "a"}, {"s", "a"}, {"n"}, {}}) {
    EXPECT_EQ(found(text, path), "nowhere");
  }
}

TEST(FindMember, ends_with_what_is_no_object) {
  const std::string whole = R"({"a":{"b":[1,"x\"y"],"c":12}})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = found(std::string_view{whole}.substr(0, size), {"a", "c"});
    EXPECT_TRUE(cut == "nowhere" || cut == "1" || cut == "12") << size;
  }
  for (const char* text :
       {"", "[]", "7", "\"a\"", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":]", "{,}"}) {
    EXPECT_EQ(found(text, {"a"}), "nowhere") << text;
  }
}

TEST(ObjectReader, reads_members_and_leaves_absent_ones_alone) {
  Read read;
  ASSERT_TRUE(
      read.from(R"({"question":"why","weight":2,"exact":true,"tags":["a","b"],"top_k":null})"));
  EXPECT_EQ(read.question, "why");
  EXPECT_EQ(read.top_k, 10);
  EXPECT_EQ(read.weight, 2);
  EXPECT_TRUE(read.exact);
  EXPECT_THAT(read.tags, ElementsAre("a", "b"));
}

TEST(ObjectReader, names_the_member_and_what_is_wanted) {
  Read read;
  EXPECT_EQ(read.mistake("[]"), "query: must be an object, not array");
  EXPECT_EQ(read.mistake("{}"), "query: \"question\" is missing");
  EXPECT_EQ(read.mistake(R"({"question":null})"), "query: \"question\" must be a string, not null");
  EXPECT_EQ(read.mistake(R"({"question":"x","top_k":101})"),
            "query: \"top_k\" must be an integer from 1 to 100, not 101");
  EXPECT_EQ(read.mistake(R"({"question":"x","top_k":1.5})"),
            "query: \"top_k\" must be an integer from 1 to 100, not 1.5");
  EXPECT_EQ(read.mistake(R"({"question":"x","top_k":"5"})"),
            "query: \"top_k\" must be an integer from 1 to 100, not a string");
  EXPECT_EQ(read.mistake(R"({"question":"x","tags":["a",1]})"),
            "query: \"tags\" must be an array of strings, not an array");
  EXPECT_EQ(read.mistake(R"({"question":"x","exact":0})"),
            "query: \"exact\" must be true or false, not 0");
}

TEST(ObjectReader, refuses_unknown_members_naming_the_known_unless_told_to_ignore_them) {
  Read read;
  EXPECT_EQ(read.mistake(R"({"question":"x","topk":5})"),
            "query: \"topk\" is not known here; known are: \"question\", \"top_k\", \"weight\", "
            "\"exact\", \"tags\"");
  EXPECT_TRUE(read.from(R"({"question":"x","topk":5})", ObjectReader::Unknown::ignore));
}

TEST(ObjectReader, keeps_the_first_mistake_and_hands_out_nested_values) {
  const Document document = parsed(R"({"object":{"a":1},"array":[1],"any":"x"})");
  ObjectReader in{document.root(), "event"};
  EXPECT_TRUE(in.required_object("object").exists());
  EXPECT_EQ(in.required_array("array").size(), 1U);
  EXPECT_TRUE(in.optional_any("any").is_string());
  EXPECT_FALSE(in.optional_object("other").exists());
  EXPECT_FALSE(in.failed());
  EXPECT_FALSE(in.optional_array("any").exists());
  in.fail("later");
  const Status status = in.finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "event: \"any\" must be an array, not a string");
}

}  // namespace
}  // namespace millrace::json
