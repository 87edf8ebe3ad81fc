// Every route, over real sockets, with stages that behave.
#include <gmock/gmock.h>

#include <set>

#include "fixture.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class Routes : public GatewayTest {
 protected:
  void SetUp() override {
    start();
    start_stages();
  }
};

TEST_F(Routes, takes_documents_as_json_and_reports_each_step_of_their_way) {
  const auto accepted = post(
      "/v1/collections/books/documents",
      R"({"documents":[{"id":"a/b","text":"one","title":"One","metadata":{"n":1}},{"text":"two"}]})");
  ASSERT_EQ(accepted.status, 202U) << accepted.body;
  const auto parsed = json::Document::parse(accepted.body);
  ASSERT_EQ(parsed->root().member("documents").size(), 2U);
  EXPECT_EQ(parsed->root().member("documents")[0].member("status_url").as_string(),
            "/v1/collections/books/documents/a%2Fb");
  const auto at_once = get("/v1/collections/books/documents/a%2Fb");  // its own write
  EXPECT_EQ(at_once.status, 200U) << at_once.body;
  const auto events = stream("/v1/collections/books/documents/a%2Fb/events");
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().event, "indexed");
  EXPECT_THAT(events.back().data, HasSubstr(R"("metadata":{"n":1})"));
  const auto again = stream("/v1/collections/books/documents/a%2Fb/events", events.back().id);
  EXPECT_TRUE(again.empty());
}

TEST_F(Routes, takes_files_lines_and_raw_bodies) {
  Extra form{"multipart/form-data; boundary=XX", {}, {}};
  const std::string body =
      "--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nalpha\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b.md\"\r\n"
      "Content-Type: text/markdown\r\n\r\n# beta\r\n--XX--\r\n";
  const auto files = call("POST", "/v1/collections/default/documents", body, form);
  EXPECT_EQ(files.status, 202U) << files.body;
  Extra lines{"application/x-ndjson", {}, {}};
  const auto two = call("POST", "/v1/collections/default/documents",
                        "{\"id\":\"x\",\"text\":\"1\"}\n{\"id\":\"y\",\"text\":\"2\"}\n", lines);
  EXPECT_EQ(two.status, 202U) << two.body;
  Extra pdf{"application/pdf", {}, {}};
  const auto raw_body =
      call("POST", "/v1/collections/default/documents?name=f.pdf&id=f", "%PDF-1.4", pdf);
  EXPECT_EQ(raw_body.status, 202U) << raw_body.body;
  EXPECT_EQ(stream("/v1/collections/default/documents/f/events").back().event, "indexed");
  const auto listed = get("/v1/collections/default/documents?limit=2");
  const auto page = json::Document::parse(listed.body);
  ASSERT_EQ(page->root().member("documents").size(), 2U) << listed.body;
  const auto rest =
      get("/v1/collections/default/documents?limit=100&after=" + text_member(listed.body, "next"));
  EXPECT_EQ(json::Document::parse(rest.body)->root().member("documents").size(), 3U) << rest.body;
  EXPECT_FALSE(json::Document::parse(rest.body)->root().member("next").exists());
}

TEST_F(Routes, shows_why_a_document_failed) {
  Extra plain{"text/plain", {}, {}};
  ASSERT_EQ(call("PUT", "/v1/collections/default/documents/p", "poison", plain).status, 202U);
  const auto events = stream("/v1/collections/default/documents/p/events");
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().event, "failed");
  EXPECT_EQ(text_member(events.back().data, "error"), "it is poison");
}

TEST_F(Routes, shows_a_document_as_it_is_where_a_stage_was_faster_than_its_acceptance) {
  index_text("default", "replaced", "text");
  log().set_faster([](const std::vector<Record>& records) {
    std::vector<Record> faster;
    for (const Record& each : records) {
      if (each.topic != topics::kDocumentEvents) continue;
      auto progress = *document_progress_from(each);
      progress.state = DocumentProgress::State::failed;
      progress.error = "it is poison";
      faster.push_back(to_record(progress));
    }
    return faster;
  });
  for (const std::string id : {"new", "replaced"}) {
    const std::string path = "/v1/collections/default/documents/" + id;
    Extra plain{"text/plain", {}, {}};
    ASSERT_EQ(call("PUT", path, "poison", plain).status, 202U);
    EXPECT_EQ(stream(path + "/events").back().event, "failed");
    EXPECT_EQ(text_member(get(path).body, "state"), "failed");
  }
  const std::string after = stream("/v1/collections/default/documents/new/events").back().id;
  log().set_faster({});
  index_text("default", "last", "text");
  const auto last = [](const ServerSentEvent& event) {
    return text_member(event.data, "id") == "last" && event.event == "indexed";
  };
  std::set<std::string> failed;
  for (const auto& event : stream("/v1/collections/default/events", after, last)) {
    const std::string id = text_member(event.data, "id");
    EXPECT_FALSE(failed.contains(id)) << id << " was taken back to " << event.event;
    EXPECT_TRUE(id != "new" || event.event == "failed") << event.event;
    if (event.event == "failed") failed.insert(id);
  }
}

TEST_F(Routes, goes_on_after_an_event_of_which_compaction_left_another_telling) {
  DocumentProgress failed;
  failed.document.collection = "default";
  failed.document.document_id = "twice";
  failed.document.revision = "01JD0000000000000000000000";
  failed.state = DocumentProgress::State::failed;
  append(to_record(failed));
  append(to_record(failed));
  const std::string place = stream("/v1/collections/default/documents/twice/events").back().id;
  const std::string partition = place.substr(0, place.find(':'));
  index_text("default", "last", "text");
  const auto last = [](const ServerSentEvent& event) {
    return event.event == "reset" || text_member(event.data, "id") == "last";
  };
  for (const std::string offset : {":0", ":1"}) {
    const auto events = stream("/v1/collections/default/events", partition + offset, last);
    EXPECT_NE(events.front().event, "reset") << partition + offset;
  }
  const auto never = stream("/v1/collections/default/events", partition + ":99", last);
  EXPECT_EQ(never.front().event, "reset");
}

TEST_F(Routes, shows_no_state_older_than_a_stream_has_told) {
  index_text("default", "first", "text");
  const std::string after = stream("/v1/collections/default/documents/first/events").back().id;
  constexpr int kDocuments = 100;
  std::string documents;
  for (int i = 0; i < kDocuments; ++i)
    documents += R"({"text":"number )" + std::to_string(i) + "\"}\n";
  Extra lines{"application/x-ndjson", {}, {}};
  ASSERT_EQ(call("POST", "/v1/collections/default/documents", documents, lines).status, 202U);
  int indexed = 0;
  stream("/v1/collections/default/events", after, [&](const ServerSentEvent& event) {
    if (event.event != "indexed") return false;
    const std::string path = "/v1/collections/default/documents/" + text_member(event.data, "id");
    EXPECT_EQ(text_member(get(path).body, "state"), "indexed");
    return ++indexed == kDocuments;
  });
}

TEST_F(Routes, deletes_a_document) {
  index_text("default", "gone", "text");
  EXPECT_EQ(call("DELETE", "/v1/collections/default/documents/gone").status, 202U);
  EXPECT_EQ(stream("/v1/collections/default/documents/gone/events").back().event, "deleted");
  EXPECT_EQ(call("DELETE", "/v1/collections/default/documents/never").status, 404U);
}

TEST_F(Routes, opens_the_cited_span_of_a_text) {
  index_text("default", "t", "Grüße aus der Mühle am Bach.");
  HttpResponse answer;
  do {  // the texts table may be a moment behind the progress stream
    answer = get("/v1/collections/default/documents/t/text?start=14&end=19&context=4");
  } while (answer.status == 404);
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_EQ(text_member(answer.body, "text"), "Mühle");
  EXPECT_EQ(text_member(answer.body, "before"), "der ");
  EXPECT_EQ(text_member(answer.body, "after"), " am ");
  EXPECT_EQ(get("/v1/collections/default/documents/t/text?revision=other").status, 404U);
  EXPECT_EQ(get("/v1/collections/default/documents/t/text?start=5000").status, 400U);
}

TEST_F(Routes, makes_lists_and_removes_collections) {
  EXPECT_EQ(call("PUT", "/v1/collections/law", R"({"description":"x"})").status, 201U);
  EXPECT_EQ(call("PUT", "/v1/collections/law", R"({"description":"y"})").status, 200U);
  EXPECT_EQ(text_member(get("/v1/collections/law").body, "description"), "y");
  EXPECT_THAT(get("/v1/collections").body, HasSubstr(R"("name":"law")"));
  index_text("law", "one", "text");
  const auto removed = call("DELETE", "/v1/collections/law");
  EXPECT_EQ(removed.status, 202U);
  EXPECT_THAT(removed.body, HasSubstr(R"("documents":1)"));
  EXPECT_EQ(get("/v1/collections/law").status, 404U);
  EXPECT_EQ(call("DELETE", "/v1/collections/default").status, 409U);
  EXPECT_EQ(get("/v1/collections/default").status, 200U);
}

TEST_F(Routes, searches_and_says_where_the_time_went) {
  const auto found = post("/v1/collections/default/search", R"({"query":"wheel","top_k":3})");
  ASSERT_EQ(found.status, 200U) << found.body;
  const auto parsed = json::Document::parse(found.body);
  EXPECT_EQ(parsed->root().member("passages")[0].member("document_id").as_string(), "d1");
  EXPECT_THAT(found.headers.at("server-timing"), HasSubstr("embed;dur=1.500, index;dur=0.250"));
}

TEST_F(Routes, answers_a_query_by_link_by_stream_and_by_waiting) {
  const auto asked = post("/v1/collections/default/queries", R"({"question":"why?"})");
  ASSERT_EQ(asked.status, 202U) << asked.body;
  const auto events = stream(text_member(asked.body, "events_url"));
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(events.front().event, "started");
  EXPECT_EQ(events.back().event, "completed");
  std::string state;
  while (state != "completed") {
    state = text_member(get(text_member(asked.body, "status_url")).body, "state");
  }
  const auto waited = post("/v1/collections/default/queries?wait=true", R"({"question":"why?"})");
  ASSERT_EQ(waited.status, 200U) << waited.body;
  EXPECT_EQ(text_member(waited.body, "answer"), "The wheel [1].");
  Extra sse;
  sse.headers["Accept"] = "text/event-stream";
  const auto direct =
      call("POST", "/v1/collections/default/queries", R"({"question":"why?"})", sse);
  EXPECT_EQ(direct.headers.at("content-type"), "text/event-stream");
  EXPECT_THAT(direct.body, HasSubstr("event: completed"));
  EXPECT_THAT(direct.body, HasSubstr("retry: "));
}

TEST_F(Routes, cancels_a_query) {
  const auto asked = post("/v1/collections/default/queries", R"({"question":"hang"})");
  const std::string url = text_member(asked.body, "status_url");
  EXPECT_EQ(text_member(get(url).body, "state"), "running");
  EXPECT_EQ(call("DELETE", url).status, 202U);
  const auto events = stream(url + "/events");
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().event, "failed");
  EXPECT_EQ(text_member(events.back().data, "reason"), "cancelled");
}

TEST_F(Routes, tells_a_waiting_client_that_the_query_failed) {
  const auto failed = post("/v1/collections/default/queries?wait=true", R"({"question":"break"})");
  EXPECT_EQ(failed.status, 503U);
  EXPECT_THAT(problem_detail(failed), HasSubstr("no model answers"));
}

TEST_F(Routes, serves_the_plain_endpoints) {
  const auto indexed = post("/index?wait=true", R"({"texts":["one","two"]})");
  ASSERT_EQ(indexed.status, 200U) << indexed.body;
  EXPECT_THAT(indexed.body, HasSubstr(R"("indexed":2)"));
  const auto answer = post("/ask", R"({"question":"why?","top_k":2})");
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_EQ(text_member(answer.body, "model"), "extractive");
  EXPECT_THAT(answer.body, HasSubstr(R"("generation_time":1.5)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("citation":1)"));
  EXPECT_THAT(post("/search", R"({"question":"wheel"})").body, HasSubstr(R"("total":1)"));
  Extra form{"multipart/form-data; boundary=XX", {}, {}};
  const std::string pdf =
      "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.pdf\"\r\n"
      "Content-Type: application/pdf\r\n\r\n%PDF-1.4 x\r\n--XX--\r\n";
  const auto uploaded = call("POST", "/upload_pdf", pdf, form);
  ASSERT_EQ(uploaded.status, 202U) << uploaded.body;
  EXPECT_EQ(text_member(uploaded.body, "filename"), "m.pdf");
  EXPECT_EQ(stream(text_member(uploaded.body, "status_url") + "/events").back().event, "indexed");
  EXPECT_EQ(text_member(get("/stats").body, "model"), "extractive");
  EXPECT_EQ(post("/clear", "{}").body, R"({"status":"cleared","documents":3})");
  EXPECT_EQ(call("DELETE", "/clear").body, R"({"status":"cleared","documents":0})");
}

TEST_F(Routes, serves_health_metrics_and_pages) {
  EXPECT_EQ(text_member(get("/health").body, "status"), "ok");
  EXPECT_EQ(get("/livez").status, 200U);
  while (get("/readyz").status != 200U) {
  }
  const auto metrics = get("/metrics");
  EXPECT_THAT(metrics.body, HasSubstr("http_requests_total"));
  EXPECT_THAT(get("/docs").body, HasSubstr("/web/docs.js"));
  EXPECT_THAT(get("/web/openapi.json").body, HasSubstr("/v1/collections/{c}/search"));
  EXPECT_THAT(get("/openapi.yaml").body, HasSubstr("openapi: 3.1.0"));
  const auto home = get("/");
  EXPECT_EQ(home.status, 200U);
  EXPECT_THAT(home.headers.at("content-security-policy"), HasSubstr("frame-ancestors 'none'"));
  EXPECT_EQ(get("/web/nothing.js").status, 404U);
}

TEST_F(Routes, follows_a_collection_and_resumes_after_the_last_event) {
  index_text("news", "a", "1");
  const auto first = stream("/v1/collections/news/documents/a/events");
  index_text("news", "b", "2");
  // From a's last event on: of b what the compacted topic still had when the hub read it, in order
  // up to the last, and nothing of a.
  const auto rest = stream("/v1/collections/news/events", first.back().id,
                           [](const ServerSentEvent& event) { return event.event == "indexed"; });
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back().event, "indexed");
  for (const auto& event : rest) EXPECT_EQ(text_member(event.data, "id"), "b");
  const auto lost = stream("/v1/collections/news/events", "0:999999",
                           [](const ServerSentEvent&) { return true; });
  EXPECT_EQ(lost.front().event, "reset");
}

TEST_F(Routes, repeats_the_first_answer_for_an_idempotency_key) {
  Extra keyed;
  keyed.headers["Idempotency-Key"] = "k1";
  const std::string body = R"({"documents":[{"text":"one"}]})";
  const auto first = call("POST", "/v1/collections/default/documents", body, keyed);
  const auto second = call("POST", "/v1/collections/default/documents", body, keyed);
  EXPECT_EQ(second.status, 202U);
  EXPECT_EQ(first.body, second.body);
  const auto other =
      call("POST", "/v1/collections/default/documents", R"({"documents":[{"text":"two"}]})", keyed);
  EXPECT_EQ(other.status, 422U);
}

TEST_F(Routes, answers_head_without_a_body_and_405_with_what_is_allowed) {
  const std::string head =
      raw("HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("200 OK"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 15"));
  EXPECT_EQ(head.find("{"), std::string::npos);
  const auto wrong = call("DELETE", "/stats");
  EXPECT_EQ(wrong.status, 405U);
  EXPECT_EQ(wrong.headers.at("allow"), "GET, HEAD");
}

}  // namespace
}  // namespace millrace
