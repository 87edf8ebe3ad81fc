#include "fixture.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>

#include "tests/support/kafka_place.h"

namespace millrace {

Passage sample_passage() {
  Passage passage;
  passage.document_id = "d1";
  passage.revision = "01JD0000000000000000000000";
  passage.chunk_id = "c1";
  passage.title = "Mills";
  passage.name = "mills.txt";
  passage.text = "The race drives the wheel.";
  passage.score = 0.75;
  passage.page = 2;
  passage.start = 10;
  passage.end = 36;
  return passage;
}

ScoreExplanation sample_explanation() {
  ScoreExplanation explanation;
  explanation.dense = 0.5;
  explanation.lexical = 1;
  explanation.dense_weight = 0.5;
  explanation.lexical_weight = 0.5;
  explanation.cosine = 0.5;
  return explanation;
}

std::vector<AnswerEvent> answer_events(const std::string& query_id, int deltas) {
  std::vector<AnswerEvent> events;
  AnswerEvent event;
  event.query_id = query_id;
  events.push_back(event);
  event.type = AnswerEvent::Type::passages;
  event.passages = {sample_passage()};
  events.push_back(event);
  event.passages.clear();
  event.type = AnswerEvent::Type::delta;
  for (int i = 0; i < deltas; ++i) {
    event.text = "word" + std::to_string(i) + " ";
    events.push_back(event);
  }
  event.type = AnswerEvent::Type::completed;
  event.last = true;
  event.answer.text = "The wheel [1].";
  event.answer.model = "extractive";
  event.answer.confidence = 0.5;
  event.answer.took_ms = 1500;
  Citation citation;
  citation.number = 1;
  citation.document_id = "d1";
  citation.revision = sample_passage().revision;
  citation.chunk_id = "c1";
  citation.title = "Mills";
  citation.page = 2;
  citation.start = 10;
  citation.end = 18;
  citation.quote = "The race";
  event.answer.citations = {citation};
  events.push_back(event);
  for (std::size_t i = 0; i < events.size(); ++i) events[i].index = static_cast<int>(i);
  return events;
}

FakeStages::FakeStages(Log& log) : log_{log}, writer_{log.open_writer()} {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

FakeStages::~FakeStages() {
  thread_.request_stop();
  thread_.join();
}

void FakeStages::run(const std::stop_token& stop) {
  const std::vector<std::string> read{std::string{topics::kDocuments},
                                      std::string{topics::kQueries},
                                      std::string{topics::kCancellations}};
  const auto from = begin_offsets(log_, read);
  ASSERT_TRUE(from);
  auto reader = log_.open_reader(*from);
  ASSERT_TRUE(reader);
  while (!stop.stop_requested()) {
    const auto records = (*reader)->poll(100, 16U << 20U, std::chrono::milliseconds{50});
    ASSERT_TRUE(records) << records.error().message;
    for (const Record& record : *records) {
      if (record.topic == topics::kDocuments) on_document(record);
      if (record.topic == topics::kQueries) on_query(record);
      if (record.topic == topics::kCancellations) on_cancellation(record);
    }
  }
}

void FakeStages::on_document(const Record& record) {
  const auto event = document_event_from(record);
  ASSERT_TRUE(event) << event.error().message;
  const bool removal = event->operation == DocumentEvent::Operation::remove;
  std::vector<Record> out;
  DocumentProgress progress;
  progress.document = event->document;
  progress.removal = removal;
  TextEvent text;
  text.document = event->document;
  text.removed = removal;
  if (removal) {
    out.push_back(to_record(text));
    progress.state = DocumentProgress::State::deleted;
    out.push_back(to_record(progress));
  } else if (event->content == "poison") {
    progress.state = DocumentProgress::State::failed;
    progress.error = "it is poison";
    progress.error_stage = "extractor";
    out.push_back(to_record(progress));
  } else {
    text.text = json::valid_utf8(event->content) ? event->content : "binary";
    text.pages = 1;
    out.push_back(to_record(text));
    progress.chunks = 1;
    for (const auto state : {DocumentProgress::State::extracted, DocumentProgress::State::chunked,
                             DocumentProgress::State::embedded, DocumentProgress::State::indexed}) {
      progress.state = state;
      out.push_back(to_record(progress));
    }
  }
  ASSERT_TRUE(writer_->append(std::move(out)));
}

void FakeStages::finish(const Query& query, AnswerEvent event, std::string outcome) {
  event.query_id = query.query_id;
  event.last = true;
  Transcript transcript;
  transcript.query = query;
  transcript.outcome = std::move(outcome);
  transcript.message = event.message;
  transcript.answer = event.answer;
  if (transcript.outcome == "completed") transcript.passages = {sample_passage()};
  std::vector<Record> out;
  out.push_back(to_record(event));
  out.push_back(to_record(transcript));
  ASSERT_TRUE(writer_->append(std::move(out)));
}

void FakeStages::on_query(const Record& record) {
  const auto query = query_from(record);
  ASSERT_TRUE(query) << query.error().message;
  auto events = answer_events(query->query_id, 3);
  if (query->explain) events[1].passages.front().explanation = sample_explanation();
  std::vector<Record> out;
  if (query->kind == Query::Kind::search) {
    events[1].index = 0;
    events[1].last = true;
    events[1].embedding_us = 1500;
    events[1].search_us = 250;
    out.push_back(to_record(events[1]));
  } else if (query->question == "hang") {
    hanging_[query->query_id] = *query;
    out.push_back(to_record(events[0]));
  } else if (query->question == "break") {
    AnswerEvent failed;
    failed.type = AnswerEvent::Type::failed;
    failed.reason = "model_unavailable";
    failed.message = "no model answers";
    finish(*query, failed, "failed");
    return;
  } else {
    for (std::size_t i = 0; i + 1 < events.size(); ++i) out.push_back(to_record(events[i]));
    ASSERT_TRUE(writer_->append(std::move(out)));
    finish(*query, events.back(), "completed");
    return;
  }
  ASSERT_TRUE(writer_->append(std::move(out)));
}

void FakeStages::on_cancellation(const Record& record) {
  const auto cancellation = cancellation_from(record);
  ASSERT_TRUE(cancellation);
  const auto found = hanging_.find(cancellation->query_id);
  if (found == hanging_.end()) return;
  AnswerEvent failed;
  failed.index = 1;
  failed.type = AnswerEvent::Type::failed;
  failed.reason = "cancelled";
  failed.message = "cancelled by the asker";
  finish(found->second, failed, "cancelled");
}

GatewayTest::GatewayTest() {
  folder_ =
      std::filesystem::temp_directory_path() / ("millrace-gateway-" + new_ulid(system_clock()));
  std::filesystem::create_directories(folder_);
  base_ = open_base();
  log_ = std::make_unique<WatchedLog>(make_segmented_log(*base_));
  const Status made = log_->create_topics(topic_specs(3, 1));
  if (!made) throw std::runtime_error(made.error().message);
  options_.port = 0;
  options_.data_dir = folder_;
}

// Over Kafka where ctest says so: the same cases hold there.
std::unique_ptr<Log> GatewayTest::open_base() {
  if (std::getenv("TEST_KAFKA_BOOTSTRAP") != nullptr)
    return KafkaPlace::open(KafkaPlace{}.options(), metrics_);
  EmbeddedLogOptions log_options;
  log_options.directory = folder_ / "log";
  auto base = open_embedded_log(log_options, system_clock(), metrics_);
  if (!base) throw std::runtime_error(base.error().message);
  return std::move(*base);
}

GatewayTest::~GatewayTest() {
  if (gateway_) gateway_->stop(std::chrono::seconds{5});
  gateway_.reset();
  stages_.reset();
  log_.reset();
  base_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void GatewayTest::start() {
  auto gateway = Gateway::start(options_, *log_, system_clock(), metrics_, readiness_, tracer_);
  ASSERT_TRUE(gateway) << gateway.error().message;
  gateway_ = std::move(*gateway);
}

void GatewayTest::restart() {
  if (gateway_) gateway_->stop(std::chrono::seconds{5});
  gateway_.reset();
  start();
}

HttpResponse GatewayTest::call(const std::string& method, const std::string& path,
                               const std::string& body, const Extra& extra) {
  HttpRequest request;
  request.method = method;
  request.url = "http://127.0.0.1:" + std::to_string(gateway_->port()) + path;
  request.headers = extra.headers;
  if (!body.empty()) request.headers["Content-Type"] = extra.content_type;
  if (!extra.key.empty()) request.headers["Authorization"] = "Bearer " + extra.key;
  request.body = body;
  auto response = http_exchange_blocking(std::move(request));
  if (!response) {
    ADD_FAILURE() << method << " " << path << ": " << response.error().message;
    return {};
  }
  return std::move(*response);
}

std::vector<ServerSentEvent> GatewayTest::stream(
    const std::string& path, const std::string& last_event_id,
    const std::function<bool(const ServerSentEvent&)>& enough) {
  std::vector<ServerSentEvent> events;
  bool satisfied = false;
  EventStreamParser parser{[&](const ServerSentEvent& event) {
    events.push_back(event);
    satisfied = enough && enough(event);
    return !satisfied;
  }};
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(gateway_->port()) + path;
  request.headers["Accept"] = "text/event-stream";
  if (!last_event_id.empty()) request.headers["Last-Event-ID"] = last_event_id;
  const auto response = http_exchange_blocking(
      std::move(request), [&](std::string_view piece) { return parser.feed(piece); });
  if (!response && !satisfied) ADD_FAILURE() << path << ": " << response.error().message;
  if (response) {
    EXPECT_EQ(response->status, 200U) << path;
  }
  return events;
}

std::string GatewayTest::raw(const std::string& bytes, const std::string& until) {
  namespace net = boost::asio;
  net::io_context io;
  net::ip::tcp::socket socket{io};
  socket.connect({net::ip::make_address("127.0.0.1"), gateway_->port()});
  boost::system::error_code error;
  net::write(socket, net::buffer(bytes), error);
  std::string answer;
  std::array<char, 4096> piece{};
  while (!error && (until.empty() || answer.find(until) == std::string::npos)) {
    const std::size_t got = socket.read_some(net::buffer(piece), error);
    answer.append(piece.data(), got);
  }
  return answer;
}

void GatewayTest::index_text(const std::string& collection, const std::string& id,
                             const std::string& text) {
  const std::string path = "/v1/collections/" + collection + "/documents/" + id;
  Extra extra;
  extra.content_type = "text/plain";
  ASSERT_EQ(call("PUT", path, text, extra).status, 202U);
  const auto events = stream(path + "/events");
  ASSERT_FALSE(events.empty());
  ASSERT_EQ(events.back().event, "indexed");
}

void GatewayTest::append(Record record) {
  std::vector<Record> records;
  records.push_back(std::move(record));
  const auto stored = log_->open_writer()->append(std::move(records));
  ASSERT_TRUE(stored) << stored.error().message;
}

std::string text_member(const std::string& json, std::string_view name) {
  const auto parsed = json::Document::parse(json);
  if (!parsed || !parsed->root().member(name).is_string()) {
    ADD_FAILURE() << "no text " << name << " in " << json;
    return {};
  }
  return std::string{parsed->root().member(name).as_string()};
}

std::string problem_detail(const HttpResponse& response) {
  EXPECT_EQ(response.headers.count("content-type") != 0 ? response.headers.at("content-type") : "",
            "application/problem+json");
  return text_member(response.body, "detail");
}

}  // namespace millrace
