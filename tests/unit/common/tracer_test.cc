#include "common/tracer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json.h"
#include "common/otlp_headers.h"
#include "common/otlp_json.h"
#include "tests/support/fake_clock.h"
#include "tests/support/span_keeper.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class TracerTest : public ::testing::Test {
 protected:
  std::vector<Span> ended(double ratio, std::string_view parent, int count = 1) {
    const Tracer tracer{clock, keeper, ratio};
    for (int i = 0; i < count; ++i) tracer.end(tracer.start("n", Span::Kind::internal, parent));
    return keeper.spans();
  }
  FakeClock clock;
  SpanKeeper keeper;
};

TEST_F(TracerTest, puts_a_span_below_its_parent) {
  const std::vector<Span> spans = ended(1, kParent);
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(spans[0].context.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(spans[0].parent_span_id, "b7ad6b7169203331");
  EXPECT_NE(spans[0].context.span_id, "b7ad6b7169203331");
  EXPECT_EQ(spans[0].context.span_id.size(), 16U);
}

TEST_F(TracerTest, begins_a_trace_where_there_is_no_valid_parent) {
  for (const std::string_view parent : {"", "00-zz", "00-00000000000000000000000000000000-0-01"}) {
    const Span span = Tracer{clock, keeper, 1}.start("n", Span::Kind::server, parent);
    EXPECT_EQ(span.parent_span_id, "");
    EXPECT_TRUE(parse_traceparent(span.context.traceparent())) << span.context.traceparent();
  }
}

TEST_F(TracerTest, times_a_span_by_the_clock_from_when_it_began) {
  const Tracer tracer{clock, keeper, 1};
  const auto began = clock.now();
  const std::chrono::nanoseconds wall = clock.wall_now().time_since_epoch();
  clock.advance(20ms);
  Span span = tracer.start("n", Span::Kind::internal, kParent, began);
  clock.advance(30ms);
  tracer.end(std::move(span));
  ASSERT_THAT(keeper.spans(), SizeIs(1));
  EXPECT_EQ(keeper.spans()[0].start_ns, wall.count());
  EXPECT_EQ(keeper.spans()[0].end_ns, wall.count() + 50'000'000);
}

TEST_F(TracerTest, does_what_the_parent_says_whatever_the_ratio) {
  EXPECT_THAT(ended(1, kUnsampled), IsEmpty());
  EXPECT_THAT(ended(0, kParent), SizeIs(1));
}

TEST_F(TracerTest, passes_on_that_a_trace_is_not_sampled_and_keeps_nothing_of_it) {
  const Tracer tracer{clock, keeper, 0};
  Span span = tracer.start("n", Span::Kind::internal, "");
  span.set("key", "value");
  EXPECT_THAT(span.context.traceparent(), ::testing::EndsWith("-00"));
  EXPECT_THAT(span.attributes, IsEmpty());
  tracer.end(std::move(span));
  EXPECT_THAT(keeper.spans(), IsEmpty());
}

TEST_F(TracerTest, samples_about_the_share_that_it_is_told) {
  constexpr int kTraces = 4'000;  // seven standard deviations of a fair draw are 192
  const auto kept = static_cast<int>(ended(0.25, "", kTraces).size());
  EXPECT_NEAR(kept, kTraces / 4, 192);
}

TEST_F(TracerTest, follows_a_wall_clock_that_was_set) {
  class SetClock : public FakeClock {
   public:
    Wall wall_now() const override { return FakeClock::wall_now() + ahead; }
    std::chrono::milliseconds ahead{0};
  } set;
  const Tracer tracer{set, keeper, 1};
  set.ahead = 1h;
  tracer.end(tracer.start("n", Span::Kind::internal, kParent));
  const std::chrono::nanoseconds wall = set.wall_now().time_since_epoch();
  EXPECT_EQ(keeper.spans().at(0).start_ns, wall.count());
}

Span whole_span() {
  Span span;
  span.context = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true};
  span.parent_span_id = "00f067aa0ba902b7";
  span.name = "extractor documents";
  span.kind = Span::Kind::consumer;
  span.start_ns = 1'700'000'000'123'456'789;
  span.end_ns = 1'700'000'000'123'456'790;
  span.set("text", "a \"b\"\n");
  span.set("count", std::size_t{9'007'199'254'740'993});  // no double holds it
  span.set("share", 0.5);
  span.set("flag", true);
  return span;
}

TEST(OtlpJson, is_written_by_the_rules_of_its_json_encoding) {
  Span bad = whole_span();
  bad.parent_span_id.clear();
  bad.attributes.clear();
  bad.failed = true;
  const Span spans[] = {whole_span(), bad};
  const std::string body = otlp_json(spans, {{"service.name", "millrace"}});
  EXPECT_EQ(
      body,
      R"({"resourceSpans":[{"resource":{"attributes":[)"
      R"({"key":"service.name","value":{"stringValue":"millrace"}}]},)"
      R"("scopeSpans":[{"scope":{"name":"millrace","version":")" MILLRACE_VERSION R"("},"spans":[)"
      R"({"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331",)"
      R"("parentSpanId":"00f067aa0ba902b7","flags":1,"name":"extractor documents","kind":5,)"
      R"("startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000123456790",)"
      R"("attributes":[{"key":"text","value":{"stringValue":"a \"b\"\n"}},)"
      R"({"key":"count","value":{"intValue":"9007199254740993"}},)"
      R"({"key":"share","value":{"doubleValue":0.5}},{"key":"flag","value":{"boolValue":true}}],)"
      R"("status":{}},)"
      R"({"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","flags":1,)"
      R"("name":"extractor documents","kind":5,)"
      R"("startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000123456790",)"
      R"("attributes":[],"status":{"code":2}}]}]}]})");
}

TEST(OtlpJson, bounds_texts_and_writes_numbers_that_json_has_not) {
  Span span = whole_span();
  span.attributes.clear();
  span.set("long", std::string(511, 'a') + "€€");  // cut between characters
  span.set("nan", std::numeric_limits<double>::quiet_NaN());
  span.set("least", -std::numeric_limits<double>::infinity());
  const std::string body = otlp_json({&span, 1}, {});
  ASSERT_TRUE(json::Document::parse(body)) << body;
  EXPECT_THAT(body, HasSubstr(":\"" + std::string(511, 'a') + "\"}"));
  EXPECT_THAT(body, HasSubstr(R"({"doubleValue":"NaN"})"));
  EXPECT_THAT(body, HasSubstr(R"({"doubleValue":"-Infinity"})"));
}

TEST(OtlpHeaders, are_read_as_everyone_writes_them) {
  const auto headers = parse_otlp_headers("Authorization=Basic%20cGs6c2s=, x-tag = a%2Cb,");
  ASSERT_TRUE(headers) << headers.error().message;
  EXPECT_THAT(*headers,
              UnorderedElementsAre(Pair("Authorization", "Basic cGs6c2s="), Pair("x-tag", "a,b")));
  EXPECT_THAT(*parse_otlp_headers(""), IsEmpty());
}

TEST(OtlpHeaders, are_refused_without_repeating_the_secret) {
  for (const char* bad : {"secret", "=secret", "a b=secret", "k=secret%", "k=secret%0A", "k=ä"}) {
    const auto headers = parse_otlp_headers(bad);
    ASSERT_FALSE(headers) << bad;
    EXPECT_THAT(headers.error().message, HasSubstr("NAME=VALUE"));
    EXPECT_THAT(headers.error().message, Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace millrace
