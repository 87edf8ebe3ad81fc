#include "workers/stages.h"

#include <algorithm>

#include "schemas/topics.h"
#include "workers/chunker/chunker.h"
#include "workers/embedder/embedder.h"
#include "workers/embedder/query_embedder.h"
#include "workers/extracting_chunker.h"
#include "workers/extractor/extractor.h"
#include "workers/indexer/indexer.h"
#include "workers/indexer/searcher.h"
#include "workers/sweeper/sweeper.h"

namespace millrace {
namespace {

using Topics = std::vector<std::string>;
using Source = GenerationSettings::Source;

std::string name(std::string_view topic) { return std::string{topic}; }

// Compacted topics whose records may be large.
Topics swept_topics(int generation) {
  return {name(topics::kDocuments), name(topics::kTexts), topics::embeddings(generation),
          name(topics::kTranscripts)};
}

constexpr StageRow kStages[] = {
    {"extractor",
     [](int) -> Topics { return {name(topics::kDocuments)}; },
     [](int) -> Topics {
       return {name(topics::kTexts), name(topics::kDocumentEvents)};
     },
     true,
     false,
     {},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Extractor>(make_sandbox(with.sandbox), with.clock);
     }},
    {"chunker",
     [](int) -> Topics { return {name(topics::kTexts)}; },
     [](int generation) -> Topics {
       return {topics::chunks(generation), name(topics::kDocumentEvents)};
     },
     true,
     true,
     {.tokenizer = true},
     "",
     Source::texts,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Chunker>(*with.tokenizer, with.chunker, *with.generations,
                                        with.generation, with.clock);
     }},
    {"chunker",
     [](int) -> Topics { return {name(topics::kDocuments)}; },
     [](int generation) -> Topics {
       return {topics::chunks(generation), name(topics::kDocumentEvents)};
     },
     true,
     true,
     {.tokenizer = true},
     "",
     Source::documents,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<ExtractingChunker>(
           std::make_unique<Extractor>(make_sandbox(with.sandbox), with.clock),
           std::make_unique<Chunker>(*with.tokenizer, with.chunker, *with.generations,
                                     with.generation, with.clock),
           *with.generations, with.generation);
     }},
    {"embedder",
     [](int generation) -> Topics { return {topics::chunks(generation)}; },
     [](int generation) -> Topics {
       return {topics::embeddings(generation), name(topics::kDocumentEvents)};
     },
     true,
     true,
     {.embedding_model = true},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Embedder>(*with.embedding_model, with.generation, with.clock);
     }},
    {"indexer",
     [](int generation) -> Topics { return {topics::embeddings(generation)}; },
     [](int generation) -> Topics {
       return {topics::embeddings(generation), name(topics::kDocumentEvents),
               name(topics::kIndexStates)};
     },
     true,
     true,
     {.indexes = true},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Indexer>(*with.indexes, with.clock);
     }},
    {"query-embedder",
     [](int) -> Topics { return {name(topics::kQueries)}; },
     [](int generation) -> Topics {
       return {topics::searches(generation), name(topics::kAnswers)};
     },
     false,
     true,
     {.embedding_model = true, .embedding_cache = true},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       Provenance provenance;
       provenance.chunk_tokens = static_cast<std::int64_t>(with.chunker.chunk_tokens);
       provenance.chunk_overlap_tokens = static_cast<std::int64_t>(with.chunker.overlap_tokens);
       return std::make_unique<QueryEmbedder>(*with.embedding_model, *with.embedding_cache,
                                              with.partitions, *with.generations, with.generation,
                                              with.clock, std::move(provenance),
                                              DriftOptions{&with.metrics, with.drift_window});
     }},
    {"searcher",
     [](int generation) -> Topics { return {topics::searches(generation)}; },
     [](int) -> Topics { return {name(topics::kPassages)}; },
     false,
     true,
     {.indexes = true},
     "indexer",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Searcher>(*with.indexes, with.clock, with.candidates_min,
                                         DriftOptions{&with.metrics, with.drift_window});
     }},
    {"answerer",
     [](int) -> Topics {
       return {name(topics::kPassages), name(topics::kCancellations)};
     },
     [](int) -> Topics {
       return {name(topics::kAnswers), name(topics::kTranscripts)};
     },
     false,
     false,
     {.language_model = true},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Answerer>(with.log, *with.language_model, with.clock, with.metrics,
                                         with.answerer);
     }},
    {"sweeper",
     swept_topics,
     swept_topics,
     true,
     false,
     {.segments = true},
     "",
     {},
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       SweeperOptions options;
       for (const std::string& topic : swept_topics(with.generation)) {
         for (std::int32_t i = 0; i < with.partitions; ++i)
           options.partitions.push_back({topic, i});
       }
       return std::make_unique<Sweeper>(*with.sweep_state, options, with.clock, with.metrics);
     }},
};

}  // namespace

std::span<const StageRow> stage_table() { return kStages; }

Result<std::vector<const StageRow*>> find_stages(std::span<const std::string> names) {
  const auto is_named = [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  std::string known;
  std::vector<const StageRow*> rows;
  for (const StageRow& row : kStages) {
    if (&row == &*std::ranges::find(kStages, row.name, &StageRow::name)) {
      known.append(known.empty() ? "" : ", ").append(row.name);
    }
    if (is_named("all") || is_named(row.name) || (!row.beside.empty() && is_named(row.beside))) {
      rows.push_back(&row);
    }
  }
  for (const std::string& name : names) {
    if (name == "all" || std::ranges::find(kStages, name, &StageRow::name) != std::end(kStages)) {
      continue;
    }
    return rejected("there is no stage \"" + name + "\"; there are " + known + ", and all");
  }
  for (const StageRow* row : rows) {
    if (row->beside.empty() ||
        std::ranges::find(rows, row->beside, &StageRow::name) != rows.end()) {
      continue;
    }
    return rejected("the stage " + std::string{row->name} + " runs beside " +
                    std::string{row->beside} + " only: say --stage=" + std::string{row->beside});
  }
  if (rows.empty())
    return rejected("which stage? Say --stage=NAME; there are " + known + ", and all");
  return rows;
}

std::unique_ptr<Runner> make_runner(const StageRow& row, const StageResources& resources,
                                    RunnerOptions options) {
  options.stage = of_generation(row.name, resources.generation);
  options.inputs = row.inputs(resources.generation);
  options.outputs = row.outputs(resources.generation);
  options.exactly_once = row.exactly_once;
  if (!row.exactly_once) options.background = nullptr;  // somebody waits for an answer
  if (!row.beside.empty()) options.choice = resources.indexed;
  const bool has_others_beside =
      std::ranges::find(kStages, row.name, &StageRow::beside) != std::end(kStages);
  if (has_others_beside) options.caught_up = resources.indexed;
  if (row.needs.segments) options.tracer = nullptr;  // it sees records again, not what they do
  Log& log = row.needs.segments ? *resources.segments : resources.log;
  return std::make_unique<Runner>(log, resources.clock, resources.metrics, row.make(resources),
                                  std::move(options));
}

}  // namespace millrace
