#include "workers/answerer/local_reranker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace millrace {
namespace {

namespace asio = boost::asio;

// Free function: a coroutine that runs on the thread it is spawned on.
asio::awaitable<Result<std::vector<double>>> score_there(CrossEncoder* model, RerankTask task) {
  co_return model->score(task.question, task.passages, task.stop);
}

}  // namespace

LocalReranker::LocalReranker(std::unique_ptr<CrossEncoder> model) : model_{std::move(model)} {}

LocalReranker::~LocalReranker() { thread_.join(); }

asio::awaitable<Result<std::vector<double>>> LocalReranker::score(RerankTask task) {
  co_return co_await asio::co_spawn(thread_, score_there(model_.get(), std::move(task)),
                                    asio::use_awaitable);
}

}  // namespace millrace
