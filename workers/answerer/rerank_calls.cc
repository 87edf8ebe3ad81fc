#include "workers/answerer/rerank_calls.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <stop_token>
#include <utility>

#include "common/logging.h"
#include "common/trace.h"
#include "schemas/chunk.h"
#include "workers/answerer/ranking.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

// What was embedded of the passage: it stands by itself.
std::string text_of(const Passage& passage) {
  DocumentRef document;
  document.title = passage.title;
  Chunk chunk;
  chunk.headings = passage.headings;
  chunk.text = passage.text;
  return text_to_embed(document, chunk);
}

}  // namespace

// One query's. Over once `done` was called or is not wanted any more; its coroutine may still run.
struct RerankCalls::Call {
  Call(asio::io_context& io, GatheredQuery& gathered, Done done_)
      : query{gathered.query},
        trace_id{trace_id_of(gathered.traceparent)},
        candidates{std::move(gathered.candidates)},
        passages{std::move(gathered.passages)},
        done{std::move(done_)},
        timeout{io} {}

  void close() {
    over = true;
    timeout.cancel();
    stop.request_stop();
    cancel.emit(asio::cancellation_type::terminal);
  }

  const Query query;
  const std::string trace_id;
  std::vector<Passage> candidates;
  std::vector<Passage> passages;  // without re-ranking
  Done done;
  bool over = false;
  Clock::Steady began{};
  asio::steady_timer timeout;
  asio::cancellation_signal cancel;
  std::stop_source stop;
};

RerankCalls::RerankCalls(asio::io_context& io, const RerankOptions& options, const Clock& clock,
                         const AnswerProbe& probe)
    : io_{io}, options_{options}, clock_{clock}, probe_{probe} {}

bool RerankCalls::wanted(const GatheredQuery& gathered) const {
  return options_.reranker != nullptr && gathered.candidates.size() > 1;
}

std::shared_ptr<RerankCalls::Call> RerankCalls::start(GatheredQuery& gathered, Done done) {
  const auto call = std::make_shared<Call>(io_, gathered, std::move(done));
  call->began = clock_.now();
  {
    const std::lock_guard lock{mutex_};
    if (in_flight_ < options_.in_flight_max) {
      ++in_flight_;
    } else {
      call->over = true;
    }
  }
  if (call->over) {
    fall_back(*call, RerankOutcome::overloaded);
    return call;
  }
  call->timeout.expires_after(options_.timeout);
  call->timeout.async_wait([this, call](const boost::system::error_code& code) {
    if (code || call->over) return;
    call->close();
    fall_back(*call, RerankOutcome::timeout);
  });
  RerankTask task{call->query.question, {}, call->stop.get_token()};
  const std::size_t count = std::min(options_.top, call->candidates.size());
  for (std::size_t i = 0; i < count; ++i) task.passages.push_back(text_of(call->candidates[i]));
  // An exception is a coroutine that was cancelled, or a bug of the re-ranker.
  const auto back = [this, call](const std::exception_ptr& thrown,
                                 Result<std::vector<double>> scores) {
    returned(call, thrown == nullptr ? std::move(scores)
                                     : Result<std::vector<double>>{fatal("it threw an exception")});
  };
  asio::co_spawn(io_, options_.reranker->score(std::move(task)),
                 asio::bind_cancellation_slot(call->cancel.slot(), back));
  return call;
}

void RerankCalls::returned(const std::shared_ptr<Call>& call, Result<std::vector<double>> scores) {
  {
    const std::lock_guard lock{mutex_};
    --in_flight_;
    changed_.notify_all();
  }
  if (call->over) return;
  call->over = true;
  call->timeout.cancel();
  if (scores) {
    end(*call, RerankOutcome::done,
        chosen(call->query, reordered(call->query, std::move(call->candidates), *scores)));
    return;
  }
  log_event(LogLevel::warning, "rerank_failed",
            {{"query_id", call->query.query_id},
             {"trace_id", call->trace_id},
             {"reranker", options_.reranker->name()},
             {"error", scores.error().message}});
  fall_back(*call, RerankOutcome::failed);
}

void RerankCalls::fall_back(Call& call, RerankOutcome outcome) {
  for (Passage& passage : call.passages) {
    if (passage.explanation) passage.explanation->rerank_failure = to_string(outcome);
  }
  end(call, outcome, std::move(call.passages));
}

void RerankCalls::end(Call& call, RerankOutcome outcome, std::vector<Passage> passages) {
  probe_.reranked(outcome, std::chrono::duration<double>(clock_.now() - call.began).count());
  const Done done = std::exchange(call.done, {});  // it may hold what holds the call
  done(std::move(passages));
}

void RerankCalls::cancel(const std::shared_ptr<Call>& call) {
  if (call == nullptr || call->over) return;
  call->done = {};
  call->close();
}

bool RerankCalls::wait_idle(std::chrono::milliseconds wait) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, wait, [this] { return in_flight_ == 0; });
}

}  // namespace millrace
