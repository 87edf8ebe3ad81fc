#pragma once

#include <memory>
#include <optional>
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
#include "workers/embedder/embedding_cache.h"
#include "workers/extractor/sandbox.h"
#include "workers/index/index_set.h"
#include "workers/model/embedding_model.h"
#include "workers/runtime/generations.h"
#include "workers/runtime/runner.h"
#include "workers/sweeper/sweep_state.h"

namespace millrace {

// What stages are made of. Everything borrowed outlives them. Null: no stage of this process needs
// it (see StageRow::needs).
struct StageResources {
  Log& log;
  // The same log with large records as their segments; null in a process where no stage may see
  // them: the embedded log sweeps by itself.
  Log* segments = nullptr;
  const Clock& clock;
  MetricsRegistry& metrics;
  const Tokenizer* tokenizer = nullptr;
  EmbeddingModel* embedding_model = nullptr;
  EmbeddingCache* embedding_cache = nullptr;
  LanguageModel* language_model = nullptr;
  IndexSet* indexes = nullptr;
  SweepState* sweep_state = nullptr;
  // Which of the index's partitions are complete here: told by the indexer, read by the searcher.
  std::shared_ptr<PartitionChoice> indexed = nullptr;
  std::int32_t partitions = 1;  // of the index, and so of its topics
  int generation = 1;
  GenerationSettings::Source source = GenerationSettings::Source::texts;  // of the generation
  const Generations* generations = nullptr;  // whose collections are in them; never null
  SandboxOptions sandbox{};
  ChunkerOptions chunker{};
  AnswererOptions answerer{};
  std::size_t candidates_min = 0;  // that a partition gives, for a re-ranker
  std::size_t drift_window = 500;  // questions
};

struct StageNeeds {
  bool tokenizer = false;
  bool embedding_model = false;
  bool embedding_cache = false;
  bool language_model = false;
  bool indexes = false;
  bool segments = false;  // reads and writes the log as its segments, and keeps state of them
};

// One row per stage: a new one is a folder in workers/ and a row in stages.cc. Rows of one name are
// the same stage over different sources: a generation has the one for its own.
struct StageRow {
  std::string_view name;  // also of its consumer group, and what --stage= takes
  std::vector<std::string> (*inputs)(int generation);
  std::vector<std::string> (*outputs)(int generation);
  bool exactly_once;    // the document's way; the question's way is at least once
  bool per_generation;  // each has one, with a group of its own; else all have one together
  StageNeeds needs;
  // The stage in whose process it runs: it reads the partitions that are complete there. Empty: its
  // group shares them out.
  std::string_view beside;
  std::optional<GenerationSettings::Source> source;  // none: of whatever a generation is made
  std::unique_ptr<Stage> (*make)(const StageResources& resources);
};
std::span<const StageRow> stage_table();

// The rows of the stages named, those that run beside them included; all of them for "all".
// `rejected` with the names that there are.
Result<std::vector<const StageRow*>> find_stages(std::span<const std::string> names);

// The runner of a stage, not yet started. `options` gives limits and retries; name, topics and
// delivery are the row's.
std::unique_ptr<Runner> make_runner(const StageRow& row, const StageResources& resources,
                                    RunnerOptions options);

}  // namespace millrace
