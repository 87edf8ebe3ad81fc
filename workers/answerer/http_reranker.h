#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "workers/answerer/reranker.h"

namespace millrace {

struct HttpRerankerOptions {
  std::string url;      // of the endpoint; without a path: /rerank
  std::string api_key;  // sent as a bearer token, never logged; empty: none
  std::string model;    // empty: left out
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{60'000};
};

// Any server that speaks the protocol of Cohere, Jina, vLLM and llama.cpp:
//   POST {"model", "query", "documents": [text …], "top_n"}
//   -> {"results": [{"index", "relevance_score"} …]}
// or answers as Text Embeddings Inference does, [{"index", "score"} …]. One attempt. Stateless; any
// number of tasks at once.
class HttpReranker : public Reranker {
 public:
  explicit HttpReranker(HttpRerankerOptions options);
  boost::asio::awaitable<Result<std::vector<double>>> score(RerankTask task) override;
  std::string name() const override;

 private:
  std::string request_body(const RerankTask& task) const;

  const HttpRerankerOptions options_;
};

// The scores of `count` passages out of a response: each has exactly one, in any order. `rejected`
// otherwise, saying what is wrong.
Result<std::vector<double>> rerank_scores_from(std::string_view response, std::size_t count);

}  // namespace millrace
