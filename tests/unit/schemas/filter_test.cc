#include "schemas/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/filter_value.h"
#include "tests/support/filter_model.h"
#include "tests/support/sanitized.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using testing_filter::model_matches;
using testing_filter::RandomFilters;

bool matches(std::string_view filter, std::string_view metadata) {
  const Result<Filter> parsed = Filter::parse(filter, {});
  EXPECT_TRUE(parsed) << filter << " " << (parsed ? "" : parsed.error().message);
  return parsed && parsed->matches(metadata);
}

std::string mistake(std::string_view filter, const Filter::Limits& limits = {}) {
  const Result<Filter> parsed = Filter::parse(filter, limits);
  EXPECT_FALSE(parsed) << filter;
  if (parsed) return "";
  EXPECT_EQ(parsed.error().kind, Error::Kind::rejected);
  return parsed.error().message;
}

std::string canonical(std::string_view filter) {
  const Result<Filter> parsed = Filter::parse(filter, {});
  EXPECT_TRUE(parsed) << filter;
  return parsed ? parsed->serialize() : "";
}

TEST(Filter, without_a_condition_matches_everything) {
  EXPECT_TRUE(Filter{}.matches("{}"));
  EXPECT_TRUE(Filter{}.matches("broken"));
  EXPECT_TRUE(matches("{}", R"({"a":1})"));
  EXPECT_EQ(canonical("{}"), "{}");
  const Result<Filter> none = Filter::from({}, {});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(Filter, compares_values_of_a_field) {
  EXPECT_TRUE(matches(R"({"year":2024})", R"({"year":2024})"));
  EXPECT_TRUE(matches(R"({"year":2024})", R"({"year":2024.0})"));
  EXPECT_FALSE(matches(R"({"year":"2024"})", R"({"year":2024})")) << "types differ";
  EXPECT_TRUE(matches(R"({"year":{"gte":2020,"lt":2026}})", R"({"year":2025})"));
  EXPECT_FALSE(matches(R"({"year":{"gte":2020,"lt":2025}})", R"({"year":2025})"));
  EXPECT_TRUE(matches(R"({"year":{"ne":2024}})", R"({"year":2025})"));
  EXPECT_FALSE(matches(R"({"year":{"ne":2024}})", R"({"year":2024})"));
  EXPECT_TRUE(matches(R"({"lang":{"in":["de","en"]}})", R"({"lang":"en"})"));
  EXPECT_FALSE(matches(R"({"lang":{"in":["de","en"]}})", R"({"lang":"e"})"));
  EXPECT_TRUE(matches(R"({"draft":false})", R"({"draft":false})"));
  EXPECT_TRUE(matches(R"({"name":{"gt":"ab"}})", R"({"name":"abc"})"));
  EXPECT_FALSE(matches(R"({"name":{"lt":5}})", R"({"name":"abc"})"));
}

TEST(Filter, takes_a_missing_field_and_null_alike) {
  for (const char* metadata : {"{}", R"({"a":null})", R"({"b":1})", ""}) {
    EXPECT_TRUE(matches(R"({"a":{"ne":1}})", metadata));
    EXPECT_TRUE(matches(R"({"a":{"exists":false}})", metadata));
    EXPECT_FALSE(matches(R"({"a":{"exists":true}})", metadata));
    EXPECT_FALSE(matches(R"({"a":{"lt":1}})", metadata));
    EXPECT_TRUE(matches(R"({"not":{"a":{"lt":1}}})", metadata));
  }
  for (const char* metadata : {R"({"a":[]})", R"({"a":{}})", R"({"a":[null]})", R"({"a":false})"}) {
    EXPECT_TRUE(matches(R"({"a":{"exists":true}})", metadata));
  }
}

TEST(Filter, takes_an_array_for_its_elements) {
  const char* metadata = R"({"tags":["red",7,["deep"]],"authors":[{"name":"Ada"},{"name":"Bo"}]})";
  EXPECT_TRUE(matches(R"({"tags":"red"})", metadata));
  EXPECT_TRUE(matches(R"({"tags":"deep"})", metadata));
  EXPECT_TRUE(matches(R"({"tags":{"gt":6}})", metadata));
  EXPECT_FALSE(matches(R"({"tags":{"ne":"red"}})", metadata));
  EXPECT_TRUE(matches(R"({"tags":{"ne":"blue"}})", metadata));
  EXPECT_TRUE(matches(R"({"authors.name":"Bo"})", metadata));
  EXPECT_FALSE(matches(R"({"authors.name":{"ne":"Bo"}})", metadata));
  EXPECT_TRUE(matches(R"({"sizes":{"gt":5,"lt":3}})", R"({"sizes":[1,9]})")) << "two elements";
}

TEST(Filter, reaches_into_objects_and_names_with_dots) {
  EXPECT_TRUE(matches(R"({"a.b":1})", R"({"a":{"b":1}})"));
  EXPECT_TRUE(matches(R"({"a.b":1})", R"({"a.b":1})"));
  EXPECT_TRUE(matches(R"({"a.b":2})", R"({"a.b":1,"a":{"b":2}})"));
  EXPECT_FALSE(matches(R"({"b":1})", R"({"a":{"b":1}})"));
  EXPECT_FALSE(matches(R"({"a":1})", R"({"a":{"b":1}})"));
  EXPECT_FALSE(matches(R"({"a":{"exists":true}})", R"({"a\u0000":1,"a\u0000\u0001":2})"));
  EXPECT_TRUE(matches(R"({"a\u0000":1})", R"({"a\u0000":1})"));
}

TEST(Filter, reaches_fields_that_are_named_as_and_or_not) {
  EXPECT_TRUE(matches(R"({"\\and":1,"\\or":2,"\\not":3})", R"({"and":1,"or":2,"not":3})"));
  EXPECT_TRUE(matches(R"({"and.or":1})", R"({"and":{"or":1}})"));
  EXPECT_TRUE(matches(R"({"\\\\and":1})", R"({"\\and":1})"));
  EXPECT_TRUE(matches(R"({"$and":1})", R"({"$and":1})"));
  EXPECT_EQ(canonical(R"({"\\not":1})"), R"({"\\not":1})");
  EXPECT_EQ(canonical(R"({"\\year":1})"), R"({"year":1})");
  EXPECT_THAT(mistake(R"({"not":1})"), HasSubstr("filter.not: expected an object"));
  EXPECT_THAT(mistake(R"({"and":1})"), HasSubstr(R"(for a field of this name "\\and")"));
}

TEST(Filter, joins_with_and_or_not) {
  const char* metadata = R"({"a":1,"b":2})";
  EXPECT_TRUE(matches(R"({"a":1,"b":2})", metadata));
  EXPECT_FALSE(matches(R"({"a":1,"b":3})", metadata));
  EXPECT_TRUE(matches(R"({"or":[{"a":5},{"b":2}]})", metadata));
  EXPECT_FALSE(matches(R"({"and":[{"a":1},{"b":3}]})", metadata));
  EXPECT_FALSE(matches(R"({"a":1,"or":[{"b":3},{"b":4}]})", metadata));
  EXPECT_TRUE(matches(R"({"not":{"a":1,"b":3}})", metadata));
  EXPECT_TRUE(matches(R"({"not":{"not":{"a":1}}})", metadata));
}

TEST(Filter, orders_times_as_instants) {
  const char* metadata = R"({"at":"2026-11-20T23:30:00.250+02:00"})";
  EXPECT_TRUE(matches(R"({"at":"2026-11-20T21:30:00.25Z"})", metadata));
  EXPECT_TRUE(matches(R"({"at":"2026-11-20 21:30:00.2500"})", metadata)) << "no zone: UTC";
  EXPECT_TRUE(matches(R"({"at":{"gte":"2026-11-20","lt":"2026-11-21"}})", metadata));
  EXPECT_TRUE(
      matches(R"({"at":{"gt":"2026-11-20T21:30:00.2499999999999999999999999Z"}})", metadata));
  EXPECT_FALSE(matches(R"({"at":{"gt":"2026-11-20T21:30:00.25Z"}})", metadata));
  EXPECT_FALSE(matches(R"({"at":{"gt":"2026"}})", metadata)) << "a string, not a time";
  EXPECT_TRUE(matches(R"({"at":{"gt":"1969-12-31"}})", R"({"at":"1970-01-01"})"));
}

TEST(Filter, orders_numbers_exactly) {
  EXPECT_FALSE(matches(R"({"n":9007199254740993})", R"({"n":9007199254740992})"));
  EXPECT_FALSE(matches(R"({"n":9007199254740993})", R"({"n":9007199254740992.0})"));
  EXPECT_TRUE(matches(R"({"n":{"gt":9007199254740992.0}})", R"({"n":9007199254740993})"));
  EXPECT_TRUE(matches(R"({"n":{"gt":9223372036854775806}})", R"({"n":9223372036854775807})"));
  EXPECT_TRUE(matches(R"({"n":{"lt":9223372036854775808}})", R"({"n":9223372036854775807})"));
  EXPECT_TRUE(matches(R"({"n":{"lt":-9223372036854775807}})", R"({"n":-9223372036854775808})"));
  EXPECT_TRUE(matches(R"({"n":0})", R"({"n":-0.0})"));
}

TEST(Instant, is_an_rfc_3339_date_or_time_and_nothing_else) {
  const auto seconds = [](std::string_view text) {
    const auto instant = parse_instant(text);
    return instant ? std::optional{instant->seconds} : std::nullopt;
  };
  EXPECT_EQ(seconds("1970-01-02"), 86'400);
  EXPECT_EQ(seconds("1970-01-01T00:00:01-01:00"), 3'601);
  EXPECT_EQ(seconds("2016-12-31T23:59:60Z"), seconds("2017-01-01"));
  EXPECT_EQ(seconds("2017-01-01T00:59:60+01:00"), seconds("2017-01-01"));
  EXPECT_EQ(seconds("0000-01-01"), -62'167'219'200);
  EXPECT_EQ(parse_instant("2024-01-01T00:00:00.1200Z")->fraction, "12");
  EXPECT_EQ(parse_instant("2024-01-01T00:00:00.000Z")->fraction, "");
  for (const char* text : {"",
                           "2024",
                           "2024-1-1",
                           "2024-13-01",
                           "2024-00-01",
                           "2023-02-29",
                           "1900-02-29",
                           "2024-01-01T",
                           "2024-01-01T24:00:00Z",
                           "2024-01-01T10:00Z",
                           "2024-01-01T10:00:00.Z",
                           "2024-01-01T10:00:00+1",
                           "2024-01-01T10:00:00+24:00",
                           "2024-01-01T10:00:00Zx",
                           "2024-01-01x",
                           "2024-01-01T10:15:60Z",
                           "2024-01-01T10:00:61Z",
                           " 2024-01-01",
                           "2024-01-01Z",
                           "+024-01-01",
                           "２０２４-01-01"}) {
    EXPECT_FALSE(parse_instant(text)) << text;
  }
}

TEST(Filter, names_the_place_and_what_would_be_right) {
  EXPECT_THAT(mistake(R"({"and":[{"a":1},{"year":{"above":3}}]})"),
              AllOf(StartsWith("filter.and[1].year: unknown operator \"above\""),
                    HasSubstr("eq, ne, lt, lte, gt, gte, in and exists")));
  EXPECT_THAT(mistake(R"({"year":{"eq":[1]}})"),
              AllOf(StartsWith("filter.year.eq: expected a string, a number, true or false"),
                    HasSubstr("found array"), HasSubstr(R"({"year": {"in": [value, …]}})")));
  EXPECT_THAT(mistake(R"({"year":null})"), HasSubstr(R"({"year": {"exists": false}})"));
  EXPECT_THAT(mistake(R"({"year":{"in":2}})"), StartsWith("filter.year.in: expected a list"));
  EXPECT_THAT(mistake(R"({"year":{"in":[]}})"), StartsWith("filter.year.in: expected a list"));
  EXPECT_THAT(mistake(R"({"year":{"in":[1,{}]}})"), StartsWith("filter.year.in[1]: expected"));
  EXPECT_THAT(mistake(R"({"year":{"lt":true}})"), StartsWith("filter.year.lt: expected a string"));
  EXPECT_THAT(mistake(R"({"year":{"exists":1}})"), StartsWith("filter.year.exists: expected true"));
  EXPECT_THAT(mistake(R"({"year":{}})"), StartsWith("filter.year: expected a value or operators"));
  EXPECT_THAT(mistake(R"({"and":[]})"), StartsWith("filter.and: expected a list of at least one"));
  EXPECT_THAT(mistake(R"({"or":{"a":1}})"), StartsWith("filter.or: expected a list of at least"));
  EXPECT_THAT(mistake(R"({"or":[{}]})"), StartsWith("filter.or[0]: expected at least one"));
  EXPECT_THAT(mistake(R"({"not":{}})"), StartsWith("filter.not: expected at least one"));
  EXPECT_THAT(mistake(R"({"not":[{"a":1}]})"), StartsWith("filter.not: expected a filter"));
  EXPECT_THAT(mistake(R"(["a"])"), StartsWith("filter: expected an object"));
  EXPECT_THAT(mistake(R"({"a":1e999})"), StartsWith("filter: JSON, line 1"));
  EXPECT_THAT(mistake(R"({"a":NaN})"), StartsWith("filter: JSON, line 1"));
  EXPECT_THAT(mistake(R"({"a":1,"a":2})"), HasSubstr("twice"));
  EXPECT_THAT(mistake(R"({"a":1)"), StartsWith("filter: JSON, line 1"));
}

TEST(Filter, answers_the_habits_of_other_systems_with_the_right_form) {
  const struct {
    const char* written;
    const char* right;
  } habits[] = {
      {R"({"year":{"$gte":2020}})", R"({"year": {"gte": value}})"},
      {R"({"year":{"$nin":[1]}})", R"({"not": {"year": {"in": [value, …]}}})"},
      {R"({"year":{">=":2020}})", R"({"year": {"gte": value}})"},
      {R"({"year":{"not":{"eq":1}}})", R"(as {"not": {"year": value}})"},
      {R"({"name":{"$regex":"^a"}})", "compared whole"},
      {R"({"name":{"isNull":true}})", R"({"name": {"exists": false}})"},
      {R"({"address":{"city":"Rome"}})", R"("address.city")"},
      {R"({"$and":[{"a":1}]})", R"({"and": [filter, …]})"},
      {R"({"OR":[{"a":1}]})", R"({"or": [filter, …]})"},
      {R"({"must":[{"key":"city","match":{"value":"Rome"}}]})", R"({"and": [filter, …]})"},
      {R"({"must_not":[{"a":1}]})", R"({"not": {"or": [filter, …]}})"},
      {R"({"where":{"year":1}})", "conditions without it around them"},
      {R"({"key":"city","match":{"value":"Rome"}})", "conditions without it around them"},
      {R"({"operator":"And","operands":[{"a":1}]})", R"({"and": [filter, …]})"},
      {R"({"path":["year"],"operator":"Equal","valueInt":1})", "conditions without it"},
      {R"({"tags":["a","b"]})", R"({"tags": {"in": [value, …]}})"},
  };
  for (const auto& habit : habits) EXPECT_THAT(mistake(habit.written), HasSubstr(habit.right));
}

TEST(Filter, shows_hostile_names_short_and_whole) {
  EXPECT_THAT(mistake(R"({"a\nb":{"x":1}})"), StartsWith(R"(filter."a\nb": unknown)"));
  std::string name;
  for (int i = 0; i < 300; ++i) name += "本";
  const std::string shown = mistake(R"({")" + name + R"(":[]})");
  EXPECT_LT(shown.size(), 400U);
  EXPECT_TRUE(json::valid_utf8(shown));
}

TEST(Filter, has_limits) {
  std::string deep = R"({"a":1})";
  for (int i = 0; i < 3; ++i) deep = R"({"not":)" + deep + "}";
  EXPECT_TRUE(Filter::parse(deep, {.depth = 3}));
  EXPECT_THAT(mistake(deep, {.depth = 2}), StartsWith("filter.not.not.not: nested deeper than 2"));
  EXPECT_THAT(mistake(R"({"not":{"a":1,"b":2}})", {.depth = 1}), HasSubstr("nested deeper than 1"));
  EXPECT_THAT(mistake(R"({"a":1,"b":{"gt":1,"lt":2}})", {.conditions = 2}),
              StartsWith("filter.b.lt: more than 2 conditions"));
  EXPECT_THAT(mistake(R"({"a":{"in":[1,2]},"b":{"in":[3]}})", {.values = 2}),
              StartsWith("filter.b.in: more than 2 values"));
  EXPECT_THAT(mistake(R"({"a":"xxxx"})", {.string_bytes = 3}), StartsWith("filter.a: a string"));
  EXPECT_THAT(mistake(R"({"xxxx":1})", {.string_bytes = 3}), StartsWith("filter.xxxx: the name"));
  EXPECT_THAT(mistake(R"({"a":")" + std::string(1'025, 'x') + R"("})", {.string_bytes = 9'999}),
              HasSubstr("more than 1024 bytes"));
  EXPECT_THAT(mistake(R"({"a":"xxxx"})", {.bytes = 11}), StartsWith("filter: larger than 11"));
  EXPECT_THAT(mistake(R"({"a":{"gt":1,"lt":2}})", {.bytes = 30}), StartsWith("filter: larger"))
      << "serialized it is longer";
  EXPECT_THAT(mistake(std::string(60, '[')), StartsWith("filter: "));
}

TEST(Filter, knows_nothing_of_what_a_large_document_has_beyond_the_limits) {
  std::string metadata = R"({"first":1)";
  for (int i = 0; i < 300; ++i) metadata += R"(,"f)" + std::to_string(i) + R"(":1)";
  metadata += "}";
  EXPECT_TRUE(matches(R"({"first":1})", metadata));
  EXPECT_TRUE(matches(R"({"f254":1})", metadata)) << "the last of 256";
  EXPECT_TRUE(matches(R"({"f254":{"exists":true}})", metadata));
  for (const char* unknown :
       {R"({"f255":1})", R"({"f255":{"ne":1}})", R"({"f299":{"exists":false}})",
        R"({"not":{"f299":1}})", R"({"not":{"or":[{"first":2},{"f299":1}]}})"}) {
    EXPECT_FALSE(matches(unknown, metadata)) << unknown;
  }
  EXPECT_TRUE(matches(R"({"not":{"f299":{"ne":1},"first":{"ne":1}}})", metadata));

  std::string list = R"({"n":[0)";
  for (int i = 1; i < 1'100; ++i) list += "," + std::to_string(i);
  list += "]}";
  EXPECT_TRUE(matches(R"({"n":1023})", list));
  EXPECT_FALSE(matches(R"({"n":1024})", list));
  EXPECT_FALSE(matches(R"({"n":{"ne":1024}})", list));

  const std::string name(257, 'n');
  EXPECT_FALSE(matches(R"({"a":{"ne":1}})", R"({")" + name + R"(":1})"));
  EXPECT_TRUE(matches(R"({"a":{"ne":1}})", R"({")" + name + R"(":null})"));
  EXPECT_TRUE(matches(R"({")" + name.substr(1) + R"(":1})", R"({")" + name.substr(1) + R"(":1})"));
  for (const char* broken : {"[1]", "{", "7"}) {
    EXPECT_FALSE(matches(R"({"a":1})", broken));
    EXPECT_FALSE(matches(R"({"a":{"ne":1}})", broken));
  }
}

TEST(Filter, orders_long_strings_by_their_beginning) {
  const std::string text(1'024, 'm');
  const std::string metadata =
      R"({"s":")" + text + R"(m","t":"2024-01-01T00:00:00.)" + std::string(1'100, '1') + R"(Z"})";
  EXPECT_FALSE(matches(R"({"s":")" + text + R"("})", metadata));
  EXPECT_TRUE(matches(R"({"s":{"gt":")" + text + R"("}})", metadata));
  EXPECT_TRUE(matches(R"({"s":{"gt":")" + text.substr(1) + R"("}})", metadata));
  EXPECT_TRUE(matches(R"({"s":{"lt":"n"}})", metadata));
  EXPECT_TRUE(matches(R"({"s":{"ne":"n"}})", metadata));
  EXPECT_FALSE(matches(R"({"t":{"gt":"2020-01-01"}})", metadata)) << "a string, not a time";
}

TEST(Filter, agrees_with_the_model_on_random_filters_and_documents) {
  std::size_t hits = 0;
  for (unsigned seed = 1; seed <= 20 / kSanitizerShare; ++seed) {
    RandomFilters random{seed};
    for (int i = 0; i < 100; ++i) {
      const std::string text = random.filter();
      const Result<Filter> filter = Filter::parse(text, {});
      ASSERT_TRUE(filter) << text << " " << filter.error().message;
      for (int each = 0; each < 20; ++each) {
        const std::string metadata = random.metadata();
        const bool expected = model_matches(text, metadata);
        ASSERT_EQ(filter->matches(metadata), expected) << seed << " " << text << " " << metadata;
        hits += expected ? 1 : 0;
      }
    }
  }
  const std::size_t hits_max = 40'000 / kSanitizerShare;
  EXPECT_GT(hits, hits_max / 10);
  EXPECT_LT(hits, hits_max - hits_max / 10);
}

TEST(Filter, serializes_to_a_canonical_form_of_the_same_meaning) {
  EXPECT_EQ(canonical(R"( {"year":{"eq":1},"a":{"gte":1,"lt":2.50}} )"),
            R"({"and":[{"year":1},{"a":{"gte":1}},{"a":{"lt":2.5}}]})");
  EXPECT_EQ(canonical(R"({"and":[{"a":1},{"and":[{"b":2},{"c":3}]}]})"),
            R"({"and":[{"a":1},{"b":2},{"c":3}]})");
  EXPECT_EQ(canonical(R"({"or":[{"a":18446744073709551615}]})"), R"({"a":18446744073709551615})");
  RandomFilters random{7};
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = random.filter();
    const std::string once = canonical(text);
    ASSERT_EQ(canonical(once), once) << text;
    const std::string metadata = random.metadata();
    ASSERT_EQ(matches(once, metadata), matches(text, metadata)) << text << " " << metadata;
  }
}

TEST(Filter, serializes_within_the_limits_that_it_was_parsed_with) {
  RandomFilters random{8};
  for (int i = 0; i < 1'000; ++i) {
    const std::string text = random.filter();
    const Filter::Limits limits{
        .depth = random.below(4), .conditions = 3, .values = 4, .bytes = 120};
    const Result<Filter> filter = Filter::parse(text, limits);
    if (!filter) continue;
    const Result<Filter> again = Filter::parse(filter->serialize(), limits);
    ASSERT_TRUE(again) << text << " " << again.error().message;
  }
}

}  // namespace
}  // namespace millrace
