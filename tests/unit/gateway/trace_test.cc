// The span of a request, and the trace that its records carry.
#include <gmock/gmock.h>

#include "tests/support/span_keeper.h"
#include "tests/unit/gateway/fixture.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const std::string kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const std::string kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

constexpr int kPollsMax = 3'000;  // a minute: only what would never come

std::vector<std::string> names_of(const std::vector<Span>& spans) {
  std::vector<std::string> names;
  for (const Span& span : spans) names.push_back(span.name);
  return names;
}

class RequestTraceTest : public GatewayTest {
 protected:
  RequestTraceTest() {
    tracer_ = &tracer;
    start();
  }
  static Extra with(const std::string& traceparent, const std::string& type = "application/json") {
    return {type, {}, {{"traceparent", traceparent}}};
  }
  // Once the gateway has ended, and so all of its requests.
  std::vector<Span> spans() {
    gateway().stop(std::chrono::seconds{5});
    return keeper.spans();
  }
  // Of the first record on the topic.
  std::string traceparent_in(std::string_view topic) {
    const std::vector<std::string> topics{std::string{topic}};
    const auto begins = begin_offsets(log(), topics);
    EXPECT_TRUE(begins);
    const auto reader = log().open_reader(*begins);
    for (int polls = 0; polls < kPollsMax; ++polls) {
      const auto records = (*reader)->poll(1, 1U << 20U, std::chrono::milliseconds{20});
      if (records && !records->empty()) {
        return std::string{records->front().header(headers::kTraceparent)};
      }
    }
    ADD_FAILURE() << "nothing on " << topic;
    return {};
  }
  SpanKeeper keeper;
  const Tracer tracer{system_clock(), keeper, 1};
};

TEST_F(RequestTraceTest, puts_the_request_below_the_client_and_its_records_below_the_request) {
  ASSERT_EQ(call("PUT", "/v1/collections/default/documents/d", "a secret text",
                 with(kParent, "text/plain"))
                .status,
            202U);
  ASSERT_THAT(spans(), SizeIs(1));
  const Span span = keeper.spans()[0];
  EXPECT_EQ(span.name, "PUT /v1/collections/{c}/documents/{id}");
  EXPECT_EQ(span.kind, Span::Kind::server);
  EXPECT_EQ(span.parent_span_id, "b7ad6b7169203331");
  EXPECT_FALSE(span.failed);
  EXPECT_TRUE(has(span, "http.request.method", std::string{"PUT"}));
  EXPECT_TRUE(has(span, "http.route", std::string{"/v1/collections/{c}/documents/{id}"}));
  EXPECT_TRUE(has(span, "http.response.status_code", std::int64_t{202}));
  EXPECT_EQ(traceparent_in(topics::kDocuments), span.context.traceparent());
  EXPECT_EQ(traceparent_in(topics::kDocumentEvents), span.context.traceparent());
}

TEST_F(RequestTraceTest, has_a_span_of_what_is_refused) {
  EXPECT_EQ(post("/v1/collections/default/queries", "{\"question\":1}").status, 400U);
  EXPECT_EQ(get("/v1/secret").status, 404U);
  // Where there is no route, what was asked for might be anything.
  EXPECT_THAT(names_of(spans()), UnorderedElementsAre("POST /v1/collections/{c}/queries", "GET"));
  for (const Span& span : keeper.spans()) EXPECT_FALSE(span.failed);  // the client's mistake
}

TEST_F(RequestTraceTest, leaves_out_probes_and_pages) {
  for (const char* path : {"/livez", "/readyz", "/metrics", "/", "/openapi.yaml"}) get(path);
  EXPECT_THAT(spans(), IsEmpty());
}

TEST_F(RequestTraceTest, follows_the_clients_choice_of_traces) {
  const auto put = [&](const std::string& traceparent) {
    return call("PUT", "/v1/collections/default/documents/d", "text",
                with(traceparent, "text/plain"));
  };
  ASSERT_EQ(put(kUnsampled).status, 202U);
  EXPECT_THAT(spans(), IsEmpty());
  const auto carried = parse_traceparent(traceparent_in(topics::kDocuments));
  ASSERT_TRUE(carried);
  EXPECT_FALSE(carried->sampled);
  EXPECT_EQ(carried->trace_id, parse_traceparent(kUnsampled)->trace_id);
}

TEST_F(RequestTraceTest, begins_a_trace_where_the_clients_makes_no_sense) {
  const std::string twice =
      "GET /v1/collections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "traceparent: " +
      kParent + "\r\ntraceparent: " + kParent + "\r\n\r\n";
  EXPECT_THAT(raw(twice), HasSubstr("200 OK"));
  EXPECT_EQ(call("GET", "/v1/collections", {}, with("nonsense")).status, 200U);
  ASSERT_THAT(spans(), SizeIs(2));
  for (const Span& span : keeper.spans()) {
    EXPECT_EQ(span.parent_span_id, "");
    EXPECT_NE(span.context.trace_id, parse_traceparent(kParent)->trace_id);
  }
}

TEST_F(RequestTraceTest, lasts_until_the_last_byte_of_a_stream) {
  start_stages();
  index_text("default", "a", "text");
  const auto events = stream("/v1/collections/default/documents/a/events");
  ASSERT_FALSE(events.empty());
  bool found = false;
  for (const Span& span : spans()) {
    if (span.name != "GET /v1/collections/{c}/documents/{id}/events") continue;
    found = true;
    EXPECT_FALSE(span.failed);
    EXPECT_TRUE(has(span, "http.response.status_code", std::int64_t{200}));
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace millrace
