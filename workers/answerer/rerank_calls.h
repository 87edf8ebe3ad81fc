#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/clock.h"
#include "workers/answerer/gather.h"
#include "workers/answerer/probe.h"
#include "workers/answerer/reranker.h"

namespace millrace {

// The re-rankings in flight, each with its time. Whatever becomes of one, its query gets passages:
// in the new order, or as they were, which is then counted and said in their explanations.
class RerankCalls {
 public:
  struct Call;
  using Done = std::function<void(std::vector<Passage> passages)>;

  // `io` is run by one thread, which all functions are for but those that say otherwise.
  RerankCalls(boost::asio::io_context& io, const RerankOptions& options, const Clock& clock,
              const AnswerProbe& probe);

  // There is something to put in order. Any thread.
  bool wanted(const GatheredQuery& gathered) const;
  // Calls `done` once, with what the query shows; at once where too many are in flight. The
  // gathered candidates are gone.
  std::shared_ptr<Call> start(GatheredQuery& gathered, Done done);
  void cancel(const std::shared_ptr<Call>& call);  // `done` is not called any more; null: nothing
  // Waits until no call is left that was cancelled or is late. Any other thread. False after
  // `wait`.
  bool wait_idle(std::chrono::milliseconds wait);

 private:
  void returned(const std::shared_ptr<Call>& call, Result<std::vector<double>> scores);
  void fall_back(Call& call, RerankOutcome outcome);
  void end(Call& call, RerankOutcome outcome, std::vector<Passage> passages);

  boost::asio::io_context& io_;
  const RerankOptions options_;
  const Clock& clock_;
  const AnswerProbe& probe_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t in_flight_ = 0;
};

}  // namespace millrace
