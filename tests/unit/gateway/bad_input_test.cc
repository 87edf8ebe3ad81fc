// Hostile and mistaken requests: each gets its problem document, and changes nothing.
#include <gmock/gmock.h>

#include "fixture.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class BadInput : public GatewayTest {
 protected:
  void SetUp() override {
    options().body_bytes_max = 100'000;
    options().question_bytes_max = 100;
    options().documents_per_request_max = 3;
    start();
  }
};

struct BadRequest {
  const char* method;
  const char* path;
  const char* content_type;
  std::string body;
  unsigned status;
  const char* says;
};

const std::string kDocuments = "/v1/collections/default/documents";

// "f0":VALUE,"f1":VALUE …
std::string members(int count, const std::string& value) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":" + value;
  }
  return out;
}

std::string nested_filter(int depth) {
  return depth == 0 ? R"({"a":1})" : R"({"not":)" + nested_filter(depth - 1) + "}";
}

std::vector<BadRequest> bad_requests() {
  const char* json = "application/json";
  const char* form = "multipart/form-data; boundary=XX";
  const char* documents = "/v1/collections/default/documents";
  const char* search = "/v1/collections/default/search";
  const char* queries = "/v1/collections/default/queries";
  return {
      {"POST", documents, json, "{\"documents\":[", 400, "line 1"},
      {"POST", documents, json, R"({"documents":[],"more":1})", 400, "more"},
      {"POST", documents, json, R"({"documents":[]})", 400, "no document"},
      {"POST", documents, json, R"({"documents":[{"text":1}]})", 400, "documents[0]"},
      {"POST", documents, json, R"({"documents":[{"text":"a","colour":"red"}]})", 400, "colour"},
      {"POST", documents, json, R"({"documents":[{"id":"x"}]})", 400, "either"},
      {"POST", documents, json, R"({"documents":[{"text":""}]})", 400, "empty"},
      {"POST", documents, json,
       R"({"documents":[{"content_base64":"!","media_type":"text/plain"}]})", 400, "base64"},
      {"POST", documents, json, R"({"documents":[{"content_base64":"YQ=="}]})", 400, "media_type"},
      {"POST", documents, json, R"({"documents":[{"id":"a","text":"1"},{"id":"a","text":"2"}]})",
       400, "twice"},
      {"POST", documents, json,
       R"({"documents":[{"text":"1"},{"text":"2"},{"text":"3"},{"text":"4"}]})", 400,
       "more than 3"},
      {"POST", documents, json, "{\"documents\":[{\"text\":\"\xff\xfe\"}]}", 400, "UTF-8"},
      {"POST", documents, json, R"({"documents":[{"text":"a","metadata":[1]}]})", 400, "metadata"},
      {"POST", documents, json,
       R"({"documents":[{"text":"a"},{"text":"b","metadata":{)" + members(257, "1") + "}}]}", 400,
       "documents[1].metadata.f256: is one field too many"},
      {"POST", documents, "application/x-ndjson",
       R"({"text":"a","metadata":{"deep":{)" + members(256, "1") + "}}}", 400,
       "line 1.metadata.deep.f255: is one field too many"},
      {"POST", "/index", json,
       R"({"documents":[{"text":"a","metadata":{")" + std::string(257, 'n') + "\":1}}]}", 400,
       "has a name that is too long"},
      {"POST", documents, "application/x-ndjson", "{\"text\":\"a\"}\n{", 400, "line 2"},
      {"POST", documents, "video/mp4", "xx", 415, "application/pdf"},
      {"POST", documents, "multipart/form-data", "xx", 400, "boundary"},
      {"POST", documents, form, "xx", 400, "boundary"},
      {"POST", documents, form,
       "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nxx", 400,
       "closing boundary"},
      {"POST", documents, form, "--XX\r\nNonsense\r\n\r\nxx\r\n--XX--", 400, "without"},
      {"POST", documents, form,
       "--XX\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nxx\r\n--XX--", 400, "not a file"},
      {"POST", documents, "", "", 400, "empty"},
      {"POST", "/v1/collections/default/documents?colour=red", json, "{}", 400, "colour"},
      {"POST", "/v1/collections/default/documents?id=%zz", json, "{}", 400, "%-escape"},
      {"POST", "/v1/collections/Bad%20Name/documents", json, "{}", 400, "a-z"},
      {"PUT", "/v1/collections/default/documents/%01", "text/plain", "x", 400, "id"},
      {"PUT", "/v1/collections/default/documents/%ff", "text/plain", "x", 400, "UTF-8"},
      {"GET", "/v1/collections/default/documents/unknown", "", "", 404, "unknown"},
      {"GET", "/v1/collections/default/documents/unknown/text", "", "", 404, "unknown"},
      {"GET", "/v1/collections/default/documents/unknown/events", "", "", 404, "unknown"},
      {"GET", "/v1/collections/default/documents?limit=0", "", "", 400, "limit"},
      {"GET", "/v1/collections/default/documents?limit=1&limit=2", "", "", 400, "twice"},
      {"GET", "/v1/collections/default/documents?state=lost", "", "", 400, "accepted"},
      {"GET", "/v1/collections/nowhere/documents", "", "", 404, "nowhere"},
      {"GET", "/v1/collections/nowhere", "", "", 404, "nowhere"},
      {"GET", "/v1/collections/default/events?last_event_id=x", "", "", 400, "Last-Event-ID"},
      {"PUT", "/v1/collections/law", json, R"({"description":1})", 400, "description"},
      {"POST", search, json, R"({"query":""})", 400, "empty"},
      {"POST", search, json, R"({})", 400, "query"},
      {"POST", search, json, R"({"query":"a","top_k":0})", 400, "top_k"},
      {"POST", search, json, R"({"query":"a","top_k":"3"})", 400, "top_k"},
      {"POST", search, json, R"({"query":"a","mode":"psychic"})", 400, "\"lexical\""},
      {"POST", search, json, R"({"query":"a","filter":"year = 1"})", 400,
       "filter: expected an object such as"},
      {"POST", search, json, R"({"query":"a","filter":{"year":{"$gte":1}}})", 400,
       R"(filter.year: unknown operator "$gte"; write {"year": {"gte": value}})"},
      {"POST", search, json, R"({"query":"a","filter":{"and":[{"a":1},{"b":{"lt":true}}]}})", 400,
       "filter.and[1].b.lt: expected a string or a number"},
      {"POST", search, json, R"({"query":"a","filter":)" + nested_filter(9) + "}", 400,
       "deeper than 8"},
      {"POST", search, json, R"({"query":"a","filter":{)" + members(65, "1") + "}}", 400,
       "more than 64 conditions"},
      {"POST", search, json, R"({"query":"a","filter":{"a":")" + std::string(1'025, 'x') + "\"}}",
       400, "filter.a"},
      {"POST", search, json, R"({"query":"a","one_per_document":"yes"})", 400, "one_per_document"},
      {"POST", search, json, R"({"query":"a","diversity":1.5})", 400, "from 0 to 1"},
      {"POST", search, json, R"({"query":"a","diversity":-0.1})", 400, "from 0 to 1"},
      {"POST", search, json, R"({"query":"a","diversity":"much"})", 400, "diversity"},
      {"POST", search, json, R"({"query":"a","explain":1})", 400, "explain"},
      {"POST", search, "text/plain", "query", 415, "application/json"},
      {"POST", search, json, "[1]", 400, "object"},
      {"POST", "/v1/collections/nowhere/search", json, R"({"query":"a"})", 404, "nowhere"},
      {"POST", queries, json, R"({"question":")" + std::string(101, 'a') + "\"}", 400, "longer"},
      {"POST", queries, json, R"({"question":"a","filter":{"a":{}}})", 400, "filter.a: expected"},
      {"POST", queries, json, R"({"question":"a","mode":"bm25"})", 400, "\"lexical\""},
      {"POST", "/v1/collections/default/queries?wait=yes", json, R"({"question":"a"})", 400,
       "wait"},
      {"GET", "/v1/queries/nonsense", "", "", 404, "nonsense"},
      {"GET", "/v1/queries/01JD0000000000000000000000-0", "", "", 404, "no query"},
      {"DELETE", "/v1/queries/01JD0000000000000000000000-0", "", "", 404, "no query"},
      {"GET", "/v1/queries/01JD0000000000000000000000-0/events", "", "", 404, "no query"},
      {"POST", "/ask", json, R"({"question":7})", 400, "question"},
      {"POST", "/ask", json, R"({"question":"a","filter":{"a":{"in":[]}}})", 400, "filter.a.in"},
      {"POST", "/search", json, R"({"question":"a","query":"b"})", 400, "either"},
      {"POST", "/search", json, R"({"query":"a","filter":{"not":[]}})", 400, "filter.not"},
      {"POST", "/search", json, R"({"query":"a","explain":true})", 400, "explain"},
      {"POST", "/index", json, R"({"text":"a","texts":["b"]})", 400, "one of"},
      {"POST", "/upload_pdf", form,
       "--XX\r\nContent-Disposition: form-data; name=\"file\"; "
       "filename=\"a\"\r\n\r\nhello\r\n--XX--",
       415, "not a PDF"},
      {"POST", "/upload_pdf", form,
       "--XX\r\nContent-Disposition: form-data; name=\"other\"; filename=\"a\"\r\n\r\nx\r\n--XX--",
       400, "file"},
      {"GET", "/nothing", "", "", 404, "/nothing"},
  };
}

TEST_F(BadInput, gets_a_problem_that_says_what_is_wrong) {
  for (const BadRequest& bad : bad_requests()) {
    SCOPED_TRACE(std::string{bad.method} + " " + bad.path + " " + bad.body);
    Extra extra;
    extra.content_type = bad.content_type;
    const auto response = call(bad.method, bad.path, bad.body, extra);
    EXPECT_EQ(response.status, bad.status) << response.body;
    EXPECT_THAT(problem_detail(response), HasSubstr(bad.says));
    EXPECT_EQ(text_member(response.body, "instance"), response.headers.at("x-request-id"));
  }
  // Nothing of all this has reached the log.
  const auto ends = end_offsets(log(), topics::kDocuments);
  for (const auto& [partition, end] : *ends) EXPECT_EQ(end, 0);
}

TEST_F(BadInput, names_the_place_in_a_filter_for_machines_too) {
  const auto response = post("/v1/collections/default/search",
                             R"({"query":"a","filter":{"or":[{"a":1},{"b":{"gt":null}}]}})");
  const auto parsed = json::Document::parse(response.body);
  ASSERT_TRUE(parsed) << response.body;
  ASSERT_EQ(parsed->root().member("errors").size(), 1U) << response.body;
  EXPECT_EQ(parsed->root().member("errors")[0].member("where").as_string(), "filter.or[1].b.gt");
}

TEST_F(BadInput, refuses_a_large_body_before_reading_it) {
  const std::string answer =
      raw("POST " + kDocuments +
              " HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n"
              "Content-Length: 100001\r\n\r\n",
          "detail");
  EXPECT_THAT(answer, HasSubstr("413 Content Too Large"));
  EXPECT_EQ(answer.find("100 Continue"), std::string::npos);
}

TEST_F(BadInput, lets_a_client_that_sends_all_before_it_reads_see_the_reason) {
  const std::string head = "POST " + kDocuments +
                           " HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
                           "Content-Length: 33554432\r\n\r\n";
  EXPECT_THAT(raw(head + std::string(32U << 20U, 'a')), HasSubstr("413 Content Too Large"));
}

TEST_F(BadInput, refuses_a_chunked_body_that_grows_too_large) {
  std::string request = "POST " + kDocuments +
                        " HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 30; ++i) request += "1000\r\n" + std::string(4096, 'a') + "\r\n";
  EXPECT_THAT(raw(request + "0\r\n\r\n"), HasSubstr("413 Content Too Large"));
}

TEST_F(BadInput, invites_a_body_that_it_will_take) {
  const std::string answer =
      raw("POST " + kDocuments +
              " HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n"
              "Content-Length: 5\r\n\r\nhello",
          "status_url");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) << answer;
  EXPECT_THAT(answer, HasSubstr("202 Accepted"));
}

TEST_F(BadInput, answers_a_head_that_is_none_and_closes) {
  EXPECT_THAT(raw("GARBAGE\r\n\r\n"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(raw("GET /livez HTTP/1.1\r\n\r\n", "exactly once"), HasSubstr("Host"));
  EXPECT_THAT(raw("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"),
              HasSubstr("Host"));
  EXPECT_THAT(
      raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n"),
      HasSubstr("431"));
  EXPECT_THAT(raw("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              HasSubstr("400 Bad Request"));
}

TEST_F(BadInput, answers_pipelined_requests_in_their_order) {
  const std::string one = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r1\r\n\r\n";
  const std::string two =
      "GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r2\r\nConnection: close\r\n\r\n";
  const std::string answer = raw(one + two);
  const auto first = answer.find("X-Request-Id: r1");
  const auto second = answer.find("X-Request-Id: r2");
  ASSERT_NE(first, std::string::npos) << answer;
  ASSERT_NE(second, std::string::npos) << answer;
  EXPECT_LT(first, second);
}

TEST_F(BadInput, without_keys_answers_to_loopback_names_and_pages_of_its_own_only) {
  EXPECT_THAT(raw("GET /stats HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
              HasSubstr("421"));
  EXPECT_THAT(raw("POST /clear HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
                  "Content-Length: 0\r\nConnection: close\r\n\r\n"),
              HasSubstr("403"));
}

class SlowInput : public GatewayTest {
 protected:
  void SetUp() override {
    options().header_timeout = std::chrono::milliseconds{50};
    options().body_timeout = std::chrono::milliseconds{50};
    options().idle_timeout = std::chrono::milliseconds{50};
    start();
  }
};

TEST_F(SlowInput, gets_408_when_the_head_does_not_end) {
  EXPECT_THAT(raw("GET /livez HTTP/1.1\r\nHost: local"), HasSubstr("408 Request Timeout"));
}

TEST_F(SlowInput, gets_408_when_the_body_does_not_end) {
  EXPECT_THAT(raw("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"),
              HasSubstr("408 Request Timeout"));
}

TEST_F(SlowInput, is_closed_when_nothing_comes) { EXPECT_EQ(raw(""), ""); }

class FullGateway : public GatewayTest {};

TEST_F(FullGateway, refuses_uploads_that_do_not_fit_into_memory_and_asks_to_come_again) {
  options().upload_bytes_in_flight_max = 10;
  start();
  const auto refused = post("/ask", R"({"question":"longer than ten bytes"})");
  EXPECT_EQ(refused.status, 503U);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
}

TEST_F(FullGateway, does_not_start_on_an_open_address_without_keys) {
  options().host = "0.0.0.0";
  auto gateway = Gateway::start(options(), log(), system_clock(), metrics_, readiness_);
  ASSERT_FALSE(gateway);
  EXPECT_EQ(gateway.error().kind, Error::Kind::rejected);
}

}  // namespace
}  // namespace millrace
