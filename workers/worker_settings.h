#pragma once

#include <memory>

#include "common/config.h"
#include "workers/answerer/answerer.h"
#include "workers/answerer/language_model.h"
#include "workers/chunker/chunker.h"
#include "workers/extractor/sandbox.h"
#include "workers/model/openvino_model.h"
#include "workers/runtime/runner.h"

namespace millrace {

// What the settings say, in the types of those who want to know.
OpenVinoOptions model_options(const Config& config);
std::chrono::milliseconds purge_after(const Config& config);  // of an index
RunnerOptions runner_options(const Config& config);
SandboxOptions sandbox_options(const Config& config);
ChunkerOptions chunker_options(const Config& config, std::size_t max_tokens);
AnswererOptions answerer_options(const Config& config);

// Null where no re-ranker is configured. Loads the model; `fatal`, naming what is wrong with it.
Result<std::unique_ptr<Reranker>> make_reranker(const Config& config);
// Passages of each question that a re-ranker reads; 0 without one.
std::size_t rerank_candidates(const Config& config);

// True when answers are quoted sentences, found with the embedding model.
bool answers_need_embedding(const Config& config);
// `embedding` is null where answers do not need it, `tracer` where nobody wants traces.
std::unique_ptr<LanguageModel> make_language_model(const Config& config, EmbeddingModel* embedding,
                                                   const Tracer* tracer);

}  // namespace millrace
