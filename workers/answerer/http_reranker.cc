#include "workers/answerer/http_reranker.h"

#include <optional>
#include <utility>

#include "common/http_client.h"
#include "common/http_url.h"
#include "common/json.h"
#include "workers/answerer/chat_stream.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

// Scores of a few hundred passages are some 20 KB; servers that send the texts back too some MB.
constexpr std::size_t kResponseBytesMax = 8U << 20U;

HttpRerankerOptions with_path(HttpRerankerOptions options) {
  const auto url = parse_http_url(options.url);
  if (url && url->target == "/") {
    if (!options.url.ends_with('/')) options.url += '/';
    options.url += "rerank";
  }
  return options;
}

std::optional<double> score_of(json::Value result) {
  for (const char* name : {"relevance_score", "score"}) {
    const json::Value score = result.member(name);
    if (score.exists() && score.is_number()) return score.as_double();
  }
  return std::nullopt;
}

Error bad_response(const std::string& what) {
  return rejected("the server's response is no ranking: " + what);
}

}  // namespace

Result<std::vector<double>> rerank_scores_from(std::string_view response, std::size_t count) {
  const auto document = json::Document::parse(response);
  if (!document) return bad_response(document.error().message);
  const json::Value root = document->root();
  const json::Value results = root.is_array() ? root : root.member("results");
  if (!results.exists() || !results.is_array()) return bad_response("it has no array of results");
  if (results.size() != count) {
    return bad_response("it has " + std::to_string(results.size()) + " results for " +
                        std::to_string(count) + " passages");
  }
  std::vector<std::optional<double>> scores(count);
  for (std::size_t i = 0; i < count; ++i) {
    const json::Value index = results[i].member("index");
    const std::optional<double> score = score_of(results[i]);
    if (!index.exists() || !index.is_integer() || !score) {
      return bad_response("a result has no index or no score");
    }
    const std::int64_t at = index.as_integer();
    if (at < 0 || static_cast<std::size_t>(at) >= count) {
      return bad_response("there is no passage " + std::to_string(at));
    }
    std::optional<double>& place = scores[static_cast<std::size_t>(at)];
    if (place) return bad_response("it has passage " + std::to_string(at) + " twice");
    place = score;
  }
  // As many as passages, none twice: all are there.
  std::vector<double> out;
  for (const std::optional<double>& score : scores) out.push_back(*score);
  return out;
}

HttpReranker::HttpReranker(HttpRerankerOptions options) : options_{with_path(std::move(options))} {}

std::string HttpReranker::name() const {
  return options_.model.empty() ? options_.url : options_.model;
}

std::string HttpReranker::request_body(const RerankTask& task) const {
  json::Writer out;
  out.begin_object();
  if (!options_.model.empty()) out.field("model", options_.model);
  out.field("query", task.question).strings("documents", task.passages);
  out.field("top_n", static_cast<std::uint64_t>(task.passages.size())).end_object();
  return out.take();
}

asio::awaitable<Result<std::vector<double>>> HttpReranker::score(RerankTask task) {
  HttpRequest request;
  request.method = "POST";
  request.url = options_.url;
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!options_.api_key.empty()) {
    request.headers.emplace("Authorization", "Bearer " + options_.api_key);
  }
  request.body = request_body(task);
  request.connect_timeout = options_.connect_timeout;
  request.idle_timeout = options_.idle_timeout;
  request.response_bytes_max = kResponseBytesMax;
  const std::string what =
      "re-rank " + std::to_string(task.passages.size()) + " passages by " + options_.url;
  const auto response = co_await http_exchange(std::move(request));
  if (!response) co_return with_context(what, response.error());
  if (response->status != 200) {
    co_return unavailable(what + ": HTTP status " + std::to_string(response->status) + ": " +
                          one_line(response->body));
  }
  auto scores = rerank_scores_from(response->body, task.passages.size());
  if (!scores) co_return with_context(what, scores.error());
  co_return scores;
}

}  // namespace millrace
