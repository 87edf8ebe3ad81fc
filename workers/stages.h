#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"
#include "workers/answerer/answerer.h"
#include "workers/answerer/language_model.h"
#include "workers/chunker/chunker.h"
#include "workers/extractor/sandbox.h"
#include "workers/index/index_set.h"
#include "workers/model/embedding_model.h"
#include "workers/runtime/runner.h"

namespace millrace {

// What stages are made of. Everything borrowed outlives them.
struct StageResources {
  Log& log;
  const Clock& clock;
  MetricsRegistry& metrics;
  EmbeddingModel& embedding_model;
  LanguageModel& language_model;
  IndexSet& indexes;
  int generation = 1;
  SandboxOptions sandbox;
  ChunkerOptions chunker;
  AnswererOptions answerer;
};

// One row per stage: a new one is a folder in workers/ and a row in stages.cc.
struct StageRow {
  std::string_view name;  // also of its consumer group, and what --stage= takes
  std::vector<std::string> (*inputs)(int generation);
  std::vector<std::string> (*outputs)(int generation);
  bool exactly_once;  // the document's way; the question's way is at least once
  std::unique_ptr<Stage> (*make)(const StageResources& resources);
};
std::span<const StageRow> stage_table();

// The runner of a stage, not yet started. `options` gives limits and retries; name, topics and
// delivery are the row's.
std::unique_ptr<Runner> make_runner(const StageRow& row, const StageResources& resources,
                                    RunnerOptions options);

}  // namespace millrace
