#include "workers/stages.h"

#include "schemas/topics.h"
#include "workers/embedder/embedder.h"
#include "workers/embedder/query_embedder.h"
#include "workers/extractor/extractor.h"
#include "workers/indexer/indexer.h"
#include "workers/indexer/searcher.h"

namespace millrace {
namespace {

using Topics = std::vector<std::string>;

std::string name(std::string_view topic) { return std::string{topic}; }

constexpr StageRow kStages[] = {
    {"extractor", [](int) -> Topics { return {name(topics::kDocuments)}; },
     [](int) -> Topics {
       return {name(topics::kTexts), name(topics::kDocumentEvents)};
     },
     true,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Extractor>(make_sandbox(with.sandbox), with.clock);
     }},
    {"chunker", [](int) -> Topics { return {name(topics::kTexts)}; },
     [](int generation) -> Topics {
       return {topics::chunks(generation), name(topics::kDocumentEvents)};
     },
     true,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Chunker>(with.embedding_model.tokenizer(), with.chunker,
                                        with.generation, with.clock);
     }},
    {"embedder", [](int generation) -> Topics { return {topics::chunks(generation)}; },
     [](int generation) -> Topics {
       return {topics::embeddings(generation), name(topics::kDocumentEvents)};
     },
     true,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Embedder>(with.embedding_model, with.generation, with.clock);
     }},
    {"indexer", [](int generation) -> Topics { return {topics::embeddings(generation)}; },
     [](int generation) -> Topics {
       return {topics::embeddings(generation), name(topics::kDocumentEvents)};
     },
     true,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Indexer>(with.indexes, with.clock);
     }},
    {"query-embedder", [](int) -> Topics { return {name(topics::kQueries)}; },
     [](int generation) -> Topics {
       return {topics::searches(generation), name(topics::kAnswers)};
     },
     false,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<QueryEmbedder>(with.embedding_model, with.indexes.partitions(),
                                              with.generation, with.clock);
     }},
    {"searcher", [](int generation) -> Topics { return {topics::searches(generation)}; },
     [](int) -> Topics { return {name(topics::kPassages)}; }, false,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Searcher>(with.indexes, with.clock);
     }},
    {"answerer",
     [](int) -> Topics {
       return {name(topics::kPassages), name(topics::kCancellations)};
     },
     [](int) -> Topics {
       return {name(topics::kAnswers), name(topics::kTranscripts)};
     },
     false,
     [](const StageResources& with) -> std::unique_ptr<Stage> {
       return std::make_unique<Answerer>(with.log, with.language_model, with.clock, with.metrics,
                                         with.answerer);
     }},
};

}  // namespace

std::span<const StageRow> stage_table() { return kStages; }

std::unique_ptr<Runner> make_runner(const StageRow& row, const StageResources& resources,
                                    RunnerOptions options) {
  options.stage = row.name;
  options.inputs = row.inputs(resources.generation);
  options.outputs = row.outputs(resources.generation);
  options.exactly_once = row.exactly_once;
  return std::make_unique<Runner>(resources.log, resources.clock, resources.metrics,
                                  row.make(resources), std::move(options));
}

}  // namespace millrace
