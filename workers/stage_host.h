#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/readiness.h"
#include "workers/generation_host.h"
#include "workers/runner_group.h"
#include "workers/stages.h"

namespace millrace {

// Stages of this process with what they need: models, indexes, a runner each, for the first
// generation and for those that collections have beside it. Loads nothing that no stage of it
// needs. Borrows all arguments, which must outlive it. One thread starts and stops it.
class StageHost {
 public:
  // Of the conditions of `readiness` it meets "model", "index" and "stages". `tracer` may be null.
  StageHost(const Config& config, std::vector<const StageRow*> rows, MetricsRegistry& metrics,
            Readiness& readiness, const Tracer* tracer = nullptr);
  ~StageHost();  // stops

  // Loads the models and opens the indexes. Needs no log, so that it can be done while another
  // thread opens one.
  Status load();
  // Opens sessions and starts to work, all stages at once: joining a group takes seconds. All of
  // them or none: it may be called again after a failure.
  // `on_fatal` is called from a runner's thread.
  // `segments`: the log below `log`; where it is null no stage may need it.
  Status start(Log& log, Log* segments, const std::function<void(const Error&)>& on_fatal);
  void stop();  // each finishes the batch in hand; all at once, as leaving a group takes its time

  std::string answers_by() const;  // name of the language model; empty without an answerer

 private:
  bool needs(bool StageNeeds::*what) const;
  Status load_models();
  Result<std::unique_ptr<EmbeddingModel>> load_named_model(const std::string& name) const;
  Status open_indexes(std::int32_t dimensions);
  Status open_sweep_state();
  IndexSetOptions index_options(std::int32_t dimensions) const;
  StageResources resources_on(Log& log, Log* segments);

  const Config& config_;
  const std::vector<const StageRow*> rows_;
  MetricsRegistry& metrics_;
  Readiness& readiness_;
  const Tracer* const tracer_;
  std::unique_ptr<Tokenizer> tokenizer_;  // where no model brings its own
  std::unique_ptr<EmbeddingModel> embedding_model_;
  std::unique_ptr<EmbeddingCache> embedding_cache_;
  std::unique_ptr<LanguageModel> language_model_;
  std::unique_ptr<Reranker> reranker_;  // null: none is configured
  std::unique_ptr<IndexSet> indexes_;
  std::unique_ptr<SweepState> sweep_state_;
  std::size_t max_tokens_ = 0;   // of one text
  std::int32_t dimensions_ = 0;  // of the indexes
  Generations generations_;
  std::unique_ptr<RunnerGroup> runners_;
  std::unique_ptr<GenerationHost> others_;  // null where no stage of a generation runs here
};

}  // namespace millrace
