#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"
#include "workers/answerer/answer_pool.h"
#include "workers/answerer/language_model.h"
#include "workers/answerer/reranker.h"
#include "workers/runtime/stage.h"

namespace millrace {

struct AnswererOptions {
  std::chrono::milliseconds search_timeout{2'000};
  std::chrono::milliseconds answer_timeout{120'000};
  std::chrono::milliseconds stop_grace{10'000};
  std::size_t in_flight_max = 256;      // model calls at a time
  std::size_t waiting_max = 1'024;      // answers that wait for one; more are refused as overloaded
  std::size_t gathering_max = 4'096;    // queries that wait for an index partition
  std::size_t remembered_max = 65'536;  // finished and cancelled queries, against redelivery
  RerankOptions rerank;
  const Tracer* tracer = nullptr;  // borrowed; null: no spans
};

// Concurrent stage over `passages` and `cancellations`; writes `answers` and `transcripts`, answers
// as they arrive through a LogWriter of its own, outside of commits. At least once: a query seen
// again in this run is dropped; one that an earlier run began is answered anew with attempt + 1
// after a `reset`. A search's result is an output of the record that completes it; where there is a
// re-ranker it is written by the LogWriter too.
class Answerer : public Stage {
 public:
  // Everything borrowed outlives it.
  Answerer(Log& log, LanguageModel& model, const Clock& clock, MetricsRegistry& metrics,
           AnswererOptions options);
  ~Answerer() override;

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;
  Offsets settled(const Offsets& consumed) override;
  void stop() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
