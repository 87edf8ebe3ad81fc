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
RunnerOptions runner_options(const Config& config);
SandboxOptions sandbox_options(const Config& config);
ChunkerOptions chunker_options(const Config& config, std::size_t max_tokens);
AnswererOptions answerer_options(const Config& config);

// True when answers are quoted sentences, found with the embedding model.
bool answers_need_embedding(const Config& config);
// `embedding` is null where answers do not need it.
std::unique_ptr<LanguageModel> make_language_model(const Config& config, EmbeddingModel* embedding);

}  // namespace millrace
