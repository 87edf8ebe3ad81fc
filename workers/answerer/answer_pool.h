#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/log.h"
#include "common/tracer.h"
#include "workers/answerer/answer_records.h"
#include "workers/answerer/gather.h"
#include "workers/answerer/language_model.h"
#include "workers/answerer/probe.h"
#include "workers/answerer/reranker.h"

namespace millrace {

struct AnswerPoolOptions {
  std::size_t in_flight_max = 256;  // model calls at a time
  std::size_t waiting_max = 1'024;  // answers that wait for one of them
  std::chrono::milliseconds answer_timeout{120'000};
  std::chrono::milliseconds write_timeout{60'000};  // of a log that refuses appends
  RerankOptions rerank = {};
  const Tracer* tracer = nullptr;  // borrowed; null: no spans
};

// All answers in flight, and the searches that a re-ranker reads: a coroutine each, on one
// io_context with one thread. Writes their events through a LogWriter, in order, one append in
// flight per answer; deltas that arrive meanwhile travel together in the next one. Each has a span
// of its own, from its beginning until its last event is stored.
class AnswerPool {
 public:
  // On the pool's thread, once everything of the query is stored.
  using FinishedHandler = std::function<void(const GatheredQuery& gathered)>;

  // Everything borrowed outlives it.
  AnswerPool(Log& log, LanguageModel& model, const Clock& clock, const AnswerProbe& probe,
             AnswerPoolOptions options, FinishedHandler on_finished);
  ~AnswerPool();  // stop(0)
  AnswerPool(const AnswerPool&) = delete;
  AnswerPool& operator=(const AnswerPool&) = delete;

  // Begins to answer, from any thread; what the client sees first is on its way to the log when
  // this returns. With a `failure` it only says so, after what an earlier run may have said.
  // False: too many; nothing was done.
  bool start(GatheredQuery gathered, std::optional<AnswerFailure> failure = std::nullopt);
  // There is a re-ranker and something for it to do: then a search is started here too.
  bool reranks(const GatheredQuery& gathered) const;
  // Stores the records, then finishes the query. Same bound and meaning of false.
  bool write(GatheredQuery gathered, std::vector<Record> records);
  // Closes the model's call and ends the answer as cancelled. Nothing happens when it is not here.
  void cancel(const std::string& query_id);
  bool contains(const std::string& query_id) const;

  // `fatal` once the log has refused a query's events for write_timeout.
  Status health() const;

  // Waits up to `grace` for what is in flight, then closes the model's calls and leaves the rest
  // unfinished, without a word to the client: another run takes over. Idempotent.
  void stop(std::chrono::milliseconds grace);

  boost::asio::any_io_executor executor();  // the pool's thread

 private:
  struct Job;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
