#include "gateway/cli/eval/target.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "gateway/cli/eval/answer_stream_reader.h"
#include "gateway/cli/eval/exchanges.h"
#include "gateway/cli/eval/retrieval.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

constexpr int kAttemptsMax = 5;
constexpr std::chrono::milliseconds kFirstPause{200};  // doubles with each attempt
constexpr std::chrono::minutes kAnswerMax{15};         // far longer than servers give an answer

std::chrono::milliseconds pause_after(int attempt) { return kFirstPause * (1 << (attempt - 1)); }

bool is_overload(unsigned status) { return status == 429 || status >= 500; }

double milliseconds_since(Clock::Steady began) {
  return std::chrono::duration<double, std::milli>(system_clock().now() - began).count();
}

// The last event of a document's progress.
struct DocumentProgress {
  std::string state;
  std::string error;
  bool gone() const { return state == "deleted" || state == "erased"; }
  bool settled() const { return state == "indexed" || state == "failed" || gone(); }

  bool on_event(const ServerSentEvent& event) {
    state = event.event;
    if (state == "failed") {
      const Result<json::Document> data = json::Document::parse(event.data);
      const json::Value why = data ? data->root().member("error") : json::Value{};
      error = why.is_string() ? std::string{why.as_string()} : "for no reason that the server says";
    }
    return !settled();
  }
};

Result<Target::Found> found_in(json::Value answer) {
  const json::Value passages = answer.member("passages");
  if (!passages.is_array()) return rejected("the server's answer has no passages");
  Target::Found found;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const json::Value id = passages[i].member("document_id");
    if (!id.is_string()) return rejected("the server names a passage's document with no string");
    found.ranking.emplace_back(id.as_string());
  }
  found.ranking = distinct(found.ranking);
  return found;
}

}  // namespace

asio::awaitable<Result<json::Document>> call_patiently(HttpRequest request) {
  for (int attempt = 1;; ++attempt) {
    const Result<HttpResponse> response = co_await http_exchange(request);
    if (response && response->status / 100 == 2) {
      co_return json::Document::parse(response->body.empty() ? "{}" : response->body);
    }
    const Error error = response ? problem_error(*response) : response.error();
    const bool again =
        response ? is_overload(response->status) : error.kind != Error::Kind::rejected;
    if (!again || attempt == kAttemptsMax) co_return error;
    const bool paused = co_await pause_for(pause_after(attempt));
    if (!paused) co_return error;
  }
}

HttpRequest Target::request(std::string method, const std::string& below, std::string body) const {
  return client_.collection_request(std::move(method), collection_, below, std::move(body));
}

Status Target::make() const {
  const auto made = client_.call(
      request("PUT", "", R"({"description":"of millrace eval, which removes it when it ends"})"));
  if (!made) {
    return with_context(
        "make the collection " + collection_ + " (--collection measures one that is there)",
        made.error());
  }
  return {};
}

Status Target::remove() const {
  const auto removed = client_.call(request("DELETE", ""));
  if (!removed) return with_context("remove the collection " + collection_, removed.error());
  return {};
}

asio::awaitable<Status> Target::add(std::string documents_json) const {
  const auto accepted =
      co_await call_patiently(request("POST", "/documents", std::move(documents_json)));
  if (!accepted) co_return with_context("add documents", accepted.error());
  co_return Status{};
}

asio::awaitable<Result<std::string>> Target::settle(const std::string& document_id,
                                                    Clock::Steady deadline) const {
  HttpRequest events = request("GET", "/documents/" + percent_encode(document_id) + "/events");
  events.headers["Accept"] = "text/event-stream";
  DocumentProgress progress;
  while (system_clock().now() < deadline) {
    EventStreamParser parser{
        [&](const ServerSentEvent& event) { return progress.on_event(event); }};
    auto on_body = [&](std::string_view piece) {
      return parser.feed(piece) && system_clock().now() < deadline;
    };
    const Result<HttpResponse> response = co_await http_exchange(events, on_body);
    if (progress.settled()) {
      if (progress.gone()) co_return rejected(document_id + ": was deleted meanwhile");
      co_return progress.error;
    }
    const bool refused = response && response->status >= 400 && !is_overload(response->status);
    if (refused) co_return with_context(document_id, problem_error(*response));
    const bool paused = co_await pause_for(kFirstPause);
    if (!paused) co_return rejected("cancelled");
  }
  co_return unavailable(document_id + ": is not searchable in time; --index-minutes gives more");
}

asio::awaitable<Result<Target::Found>> Target::search(const std::string& query,
                                                      const std::string& mode) const {
  json::Writer body;
  body.begin_object()
      .field("query", query)
      .field("top_k", kRankingMax)
      .field("mode", mode)
      .field("one_per_document", true)
      .field("origin", "eval")
      .end_object();
  const HttpRequest search = request("POST", "/search", body.take());
  for (int attempt = 1; attempt <= kAttemptsMax; ++attempt) {
    const Clock::Steady began = system_clock().now();
    const Result<json::Document> answer = co_await call_patiently(search);
    if (!answer) co_return answer.error();
    const json::Value partial = answer->root().member("partial");
    if (!partial.is_bool() || !partial.as_bool()) {
      Result<Found> found = found_in(answer->root());
      if (found) found->took_ms = milliseconds_since(began);
      co_return found;
    }
    const bool paused = co_await pause_for(pause_after(attempt));
    if (!paused) break;
  }
  co_return unavailable("the server answers from a part of its index only");
}

asio::awaitable<Result<GivenAnswer>> Target::ask_once(const HttpRequest& request) const {
  AnswerStreamReader reader{system_clock().now() + kAnswerMax};
  const Clock::Steady began = system_clock().now();
  auto on_body = [&](std::string_view piece) { return reader.feed(piece); };
  Result<HttpResponse> response = co_await http_exchange(request, on_body);
  if (response && response->status / 100 != 2) {
    response->body = reader.head();
    const Error error = problem_error(*response);
    co_return is_overload(response->status) ? unavailable(error.message) : rejected(error.message);
  }
  if (!response && !reader.finished()) co_return response.error();
  co_return reader.take(began);
}

asio::awaitable<Result<GivenAnswer>> Target::ask(const std::string& question,
                                                 const std::string& mode) const {
  json::Writer body;
  body.begin_object().field("question", question).field("mode", mode);
  body.field("origin", "eval").end_object();
  HttpRequest ask = request("POST", "/queries", body.take());
  ask.headers["Accept"] = "text/event-stream";
  for (int attempt = 1;; ++attempt) {
    Result<GivenAnswer> answer = co_await ask_once(ask);
    const bool again = !answer && answer.error().kind != Error::Kind::rejected;
    if (!again || attempt == kAttemptsMax) co_return answer;
    const bool paused = co_await pause_for(pause_after(attempt));
    if (!paused) co_return answer;
  }
}

}  // namespace millrace
