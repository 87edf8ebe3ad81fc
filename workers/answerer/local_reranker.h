#pragma once

#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "workers/answerer/reranker.h"
#include "workers/model/cross_encoder.h"

namespace millrace {

// A cross-encoder in this process, on a thread of its own: one query after another, each with all
// cores. Queries whose time is up before their turn cost nothing.
class LocalReranker : public Reranker {
 public:
  explicit LocalReranker(std::unique_ptr<CrossEncoder> model);
  ~LocalReranker() override;
  boost::asio::awaitable<Result<std::vector<double>>> score(RerankTask task) override;
  std::string name() const override { return model_->name(); }

 private:
  const std::unique_ptr<CrossEncoder> model_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace millrace
