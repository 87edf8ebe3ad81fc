#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/http_client.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/log/embedded_log.h"
#include "common/log/segmented.h"
#include "common/tracer.h"
#include "gateway/gateway.h"
#include "schemas/answer.h"
#include "schemas/document.h"
#include "schemas/query.h"
#include "schemas/topics.h"
#include "tests/support/watched_log.h"

namespace millrace {

// The stages, as far as the gateway can tell: reads documents and questions, writes what they
// would.
//   a document whose content is "poison" fails; every other is indexed as one chunk
//   every question finds sample_passage(), explained where it asks for that
//   the question "hang" is answered only by its cancellation; "break" fails
class FakeStages {
 public:
  explicit FakeStages(Log& log);
  ~FakeStages();

 private:
  void run(const std::stop_token& stop);
  void on_document(const Record& record);
  void on_query(const Record& record);
  void on_cancellation(const Record& record);
  void finish(const Query& query, AnswerEvent event, std::string outcome);

  Log& log_;
  std::unique_ptr<LogWriter> writer_;
  std::map<std::string, Query> hanging_;
  std::jthread thread_;
};

// The events of a whole answer of one attempt: started, passages, `deltas` deltas, completed.
std::vector<AnswerEvent> answer_events(const std::string& query_id, int deltas);
Passage sample_passage();
ScoreExplanation sample_explanation();

struct RequestExtra {
  std::string content_type = "application/json";
  std::string key;
  std::map<std::string, std::string> headers;
};

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest();
  ~GatewayTest() override;

  // Before the first request; options() may be changed before that.
  void start();
  void restart();  // a new gateway over the same log
  void start_stages() { stages_ = std::make_unique<FakeStages>(*log_); }
  GatewayOptions& options() { return options_; }

  using Extra = RequestExtra;
  HttpResponse call(const std::string& method, const std::string& path,
                    const std::string& body = {}, const Extra& extra = {});
  HttpResponse get(const std::string& path) { return call("GET", path); }
  HttpResponse post(const std::string& path, const std::string& body) {
    return call("POST", path, body);
  }
  // Reads a stream until `enough` says so or it ends.
  std::vector<ServerSentEvent> stream(
      const std::string& path, const std::string& last_event_id = {},
      const std::function<bool(const ServerSentEvent&)>& enough = {});
  // Sends bytes as they are, reads until the server closes or `until` is in the answer.
  std::string raw(const std::string& bytes, const std::string& until = {});
  // Adds the text and waits until it is indexed.
  void index_text(const std::string& collection, const std::string& id, const std::string& text);
  void append(Record record);

  WatchedLog& log() { return *log_; }
  Gateway& gateway() { return *gateway_; }
  MetricsRegistry metrics_;
  Readiness readiness_;
  const Tracer* tracer_ = nullptr;

 private:
  std::unique_ptr<Log> open_base();

  GatewayOptions options_;
  std::filesystem::path folder_;
  std::unique_ptr<Log> base_;
  std::unique_ptr<WatchedLog> log_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<FakeStages> stages_;
};

// The string member of a JSON text; fails the test when it is not there.
std::string text_member(const std::string& json, std::string_view name);
std::string problem_detail(const HttpResponse& response);

}  // namespace millrace
