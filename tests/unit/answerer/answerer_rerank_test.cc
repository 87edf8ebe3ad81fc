#include "common/json.h"
#include "tests/unit/answerer/answerer_fixture.h"
#include "tests/unit/answerer/chat_server.h"
#include "workers/answerer/http_reranker.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Socket = ChatServer::Socket;

// An answerer that asks a re-ranker over HTTP.
class AnswererRerankTest : public AnswererTest {
 protected:
  AnswererRerankTest() { options.rerank.timeout = std::chrono::minutes{1}; }

  // The answerer borrows the re-ranker. A call whose time was up before it came to connect has left
  // the server a script to run.
  void TearDown() override {
    driver.reset();
    if (server == nullptr) return;
    const std::string url = server->base_url();
    const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    for (int i = 0; i < 2; ++i) {
      boost::asio::io_context io;
      boost::system::error_code ignored;
      Socket{io}.connect({boost::asio::ip::make_address("127.0.0.1"), port}, ignored);
    }
  }

  void serve(std::vector<ChatServer::Script> scripts) {
    server = std::make_unique<ChatServer>(std::move(scripts));
    HttpRerankerOptions http;
    http.url = server->base_url() + "/rerank";
    reranker = std::make_unique<HttpReranker>(http);
    options.rerank.reranker = reranker.get();
  }
  static ChatServer::Script scores(const std::vector<double>& of) {
    json::Writer out;
    out.begin_object().key("results").begin_array();
    for (std::size_t i = 0; i < of.size(); ++i) {
      out.begin_object().field("index", static_cast<std::uint64_t>(i));
      out.field("relevance_score", of[i]).end_object();
    }
    out.end_array().end_object();
    return reply("200 OK", out.take());
  }
  static ChatServer::Script reply(const std::string& status, const std::string& body) {
    return [text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\nConnection: close\r\n\r\n" +
                   body](Socket& socket) { ChatServer::send(socket, text); };
  }
  static PassagesEvent search(const std::string& name) {
    PassagesEvent event = found(name, Query::Kind::search);
    event.query.explain = true;
    event.passages.push_back(passage("c3", 0.25));
    return event;
  }
  static std::vector<std::string> chunks(const AnswerEvent& event) {
    std::vector<std::string> out;
    for (const Passage& passage : event.passages) out.push_back(passage.chunk_id);
    return out;
  }
  void expect_fused_order(const AnswerEvent& event, const std::string& failure) {
    EXPECT_THAT(chunks(event), ElementsAre("c1", "c2", "c3"));
    for (const Passage& each : event.passages) {
      ASSERT_TRUE(each.explanation);
      EXPECT_EQ(each.explanation->rerank_failure, failure);
      EXPECT_FALSE(each.explanation->rerank);
    }
    EXPECT_EQ(counted(failure), 1);
  }
  int counted(const std::string& outcome) {
    const std::string text = driver->metrics().render();
    const std::string name = "rag_rerank_duration_seconds_count{outcome=\"" + outcome + "\"} ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
  }

  std::unique_ptr<ChatServer> server;
  std::unique_ptr<HttpReranker> reranker;
};

TEST_F(AnswererRerankTest, shows_the_passages_of_a_search_in_the_order_of_the_scores) {
  serve({scores({0.25, -2, 7})});
  begin().pipe(to_record(search("q")));
  const auto seen = events("q");
  ASSERT_THAT(types(seen), ElementsAre(T::passages));
  expect_sequence(seen, 1);
  EXPECT_THAT(chunks(seen[0]), ElementsAre("c3", "c1", "c2"));
  EXPECT_EQ(seen[0].passages[0].explanation->rerank, 7);
  EXPECT_EQ(seen[0].passages[0].score, 0.25);  // the fused one
  EXPECT_EQ(seen[0].passages[0].explanation->rerank_failure, "");
  EXPECT_EQ(counted("done"), 1);
  EXPECT_THAT(
      driver->metrics().render(),
      HasSubstr("rag_query_duration_seconds_count{kind=\"search\",outcome=\"completed\"} 1"));
  EXPECT_EQ(driver->committed(topics::kPassages), 1);
}

TEST_F(AnswererRerankTest, answers_from_the_passages_in_the_new_order) {
  serve({scores({0.1, 0.2})});
  begin().pipe(to_record(found("q")));
  const auto seen = events("q");
  expect_sequence(seen, 1);
  ASSERT_GE(seen.size(), 3U);
  EXPECT_EQ(seen[0].type, T::started);
  EXPECT_THAT(chunks(seen[1]), ElementsAre("c2", "c1"));
  EXPECT_FALSE(seen[1].passages[0].explanation);  // nobody asked for it
  EXPECT_EQ(seen.back().type, T::completed);
  EXPECT_THAT(transcripts("q").at(0).passages.at(0).chunk_id, "c2");
}

TEST_F(AnswererRerankTest, reads_more_passages_than_the_query_shows_but_not_all) {
  serve({scores({1, 2, 3})});
  options.rerank.top = 3;
  PassagesEvent event = search("q");
  event.passages.push_back(passage("c4", 0.2));
  event.passages[2].headings = {"Boiling"};
  event.query.top_k = 2;
  begin().pipe(to_record(event));
  EXPECT_THAT(chunks(events("q").at(0)), ElementsAre("c3", "c2"));
  EXPECT_THAT(server->requests().at(0),
              HasSubstr(R"("documents":["Title\nSome text.","Title\nSome text.",)"
                        R"("Boiling\nSome text."],"top_n":3})"));
}

TEST_F(AnswererRerankTest, shows_the_best_passage_of_each_document_by_the_new_order) {
  serve({scores({1, 2, 3})});
  PassagesEvent event = search("q");
  event.query.one_per_document = true;
  for (Passage& each : event.passages) each.document_id = "one";
  begin().pipe(to_record(event));
  EXPECT_THAT(chunks(events("q").at(0)), ElementsAre("c3"));
}

TEST_F(AnswererRerankTest, keeps_the_order_where_the_server_fails) {
  for (const std::string body : {"no json", "[]", R"([{"index":0,"score":1}])"}) {
    serve({reply("200 OK", body)});
    begin().pipe(to_record(search("q")));
    expect_fused_order(events("q").at(0), "failed");
    driver.reset();
  }
  serve({reply("500 No", "out of memory")});
  begin().pipe(to_record(search("q")));
  expect_fused_order(events("q").at(0), "failed");
}

TEST_F(AnswererRerankTest, keeps_the_order_and_closes_the_call_when_the_server_is_slow) {
  options.rerank.timeout = std::chrono::milliseconds{20};
  serve({&ChatServer::wait_for_close, &ChatServer::wait_for_close});
  begin().pipe(to_record(search("s")));
  expect_fused_order(events("s").at(0), "timeout");
  driver->pipe(to_record(found("a")));
  EXPECT_EQ(events("a").back().type, T::completed);
  EXPECT_THAT(chunks(events("a").at(1)), ElementsAre("c1", "c2"));
}

TEST_F(AnswererRerankTest, keeps_the_order_where_too_many_wait) {
  options.rerank.in_flight_max = 1;
  serve({&ChatServer::wait_for_close});
  begin().start();
  driver->append({to_record(search("first")), to_record(search("second"))});
  expect_fused_order(wait_for_last("second").at(0), "overloaded");
  server->wait_for_request();
  driver->append({cancellation_of("first")});
  const auto seen = wait_for_last("first");
  EXPECT_THAT(types(seen), ElementsAre(T::failed));
  EXPECT_EQ(seen[0].reason, "cancelled");
  driver->drain();
  EXPECT_EQ(driver->committed(topics::kPassages), 2);
}

TEST_F(AnswererRerankTest, closes_the_call_of_a_cancelled_answer_and_asks_no_model) {
  serve({&ChatServer::wait_for_close});
  begin().start();
  driver->append({to_record(found("q"))});
  server->wait_for_request();
  driver->append({cancellation_of("q")});
  EXPECT_THAT(types(wait_for_last("q")), ElementsAre(T::failed));
  driver->drain();
  EXPECT_EQ(model.calls("q"), 0);
}

TEST_F(AnswererRerankTest, leaves_to_another_run_what_is_being_read_when_it_stops) {
  serve({&ChatServer::wait_for_close});
  begin().start();
  driver->append({to_record(search("q"))});
  server->wait_for_request();
  driver.reset();
  server.reset();  // waits for the call to be closed
  EXPECT_EQ(server, nullptr);
}

TEST_F(AnswererRerankTest, asks_nobody_about_one_passage) {
  serve({});
  PassagesEvent one = search("q");
  one.passages.resize(1);
  PassagesEvent none = search("p");
  none.passages.clear();
  begin().pipe_all({to_record(one), to_record(none)});
  EXPECT_THAT(chunks(events("q").at(0)), ElementsAre("c1"));
  EXPECT_THAT(events("p").at(0).passages, IsEmpty());
  EXPECT_EQ(counted("done"), 0);
}

}  // namespace
}  // namespace millrace
