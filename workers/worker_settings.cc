#include "workers/worker_settings.h"

#include <array>
#include <filesystem>
#include <string_view>

#include "common/erasure.h"
#include "workers/answerer/extractive_model.h"
#include "workers/answerer/http_reranker.h"
#include "workers/answerer/local_reranker.h"
#include "workers/answerer/openai_model.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::string_view kDefaultModel = "all-MiniLM-L6-v2";

milliseconds duration(const Config& config, std::string_view name) {
  return milliseconds{config.integer(name)};
}
std::size_t count(const Config& config, std::string_view name) {
  return static_cast<std::size_t>(config.integer(name));
}

// Where `make` has put the model, seen from the program: beside it, or installed.
fs::path default_model_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  const std::array folders{program / "parts" / kDefaultModel,
                           program.parent_path() / "share/millrace" / kDefaultModel};
  for (const fs::path& each : folders) {
    if (fs::exists(each / "model.onnx", error)) return each;
  }
  return folders.front();
}

}  // namespace

OpenVinoOptions model_options(const Config& config) {
  OpenVinoOptions options;
  options.folder = config.text("model_dir");
  if (options.folder.empty()) options.folder = default_model_folder();
  options.cache = fs::path{config.text("data_dir")} / "model-cache";
  options.encoders = count(config, "embedding_threads");
  options.batch_tokens = count(config, "embed_batch_tokens");
  return options;
}

milliseconds purge_after(const Config& config) {
  return erasure_step(duration(config, "erase_within_ms"));
}

RunnerOptions runner_options(const Config& config) {
  RunnerOptions options;
  options.poll_records_max = count(config, "poll_records_max");
  options.poll_bytes_max = count(config, "poll_bytes_max");
  options.retry.attempts_max = static_cast<int>(config.integer("attempts_max"));
  options.retry.backoff = duration(config, "retry_backoff_ms");
  options.retry.backoff_max = duration(config, "retry_backoff_max_ms");
  return options;
}

SandboxOptions sandbox_options(const Config& config) {
  SandboxOptions options;
  options.wall_time_max = duration(config, "extract_timeout_ms");
  options.cpu_time_max = std::chrono::ceil<std::chrono::seconds>(options.wall_time_max);
  options.memory_bytes_max = count(config, "extract_memory_bytes_max");
  options.limits.pages_max = static_cast<std::int32_t>(config.integer("pages_max"));
  options.limits.output_bytes_max = count(config, "extract_output_bytes_max");
  return options;
}

ChunkerOptions chunker_options(const Config& config, std::size_t max_tokens) {
  return {.chunk_tokens = count(config, "chunk_tokens"),
          .overlap_tokens = count(config, "chunk_overlap_tokens"),
          .max_tokens = max_tokens};
}

AnswererOptions answerer_options(const Config& config) {
  AnswererOptions options;
  options.search_timeout = duration(config, "search_timeout_ms");
  options.answer_timeout = duration(config, "answer_timeout_ms");
  options.stop_grace = duration(config, "shutdown_grace_ms");
  options.in_flight_max = count(config, "answers_in_flight_max");
  options.rerank.top = count(config, "rerank_top");
  options.rerank.timeout = duration(config, "rerank_timeout_ms");
  return options;
}

std::size_t rerank_candidates(const Config& config) {
  const bool reranks = !config.text("rerank_model").empty() || !config.text("rerank_url").empty();
  return reranks ? count(config, "rerank_top") : 0;
}

Result<std::unique_ptr<Reranker>> make_reranker(const Config& config) {
  const std::string folder = config.text("rerank_model");
  if (!folder.empty()) {
    auto model = load_cross_encoder({.folder = folder});
    if (!model) return model.error();
    return std::unique_ptr<Reranker>{std::make_unique<LocalReranker>(*std::move(model))};
  }
  HttpRerankerOptions options;
  options.url = config.text("rerank_url");
  if (options.url.empty()) return std::unique_ptr<Reranker>{};
  options.api_key = config.text("rerank_api_key");
  options.model = config.text("rerank_model_name");
  options.connect_timeout = duration(config, "rerank_timeout_ms");
  options.idle_timeout = options.connect_timeout;
  return std::unique_ptr<Reranker>{std::make_unique<HttpReranker>(options)};
}

bool answers_need_embedding(const Config& config) {
  return config.text("openai_api_key").empty() && config.text("openai_base_url").empty();
}

std::unique_ptr<LanguageModel> make_language_model(const Config& config, EmbeddingModel* embedding,
                                                   const Tracer* tracer) {
  if (answers_need_embedding(config)) {
    ExtractiveOptions extractive;
    extractive.refusal_threshold = config.real("refusal_threshold");
    return std::make_unique<ExtractiveModel>(*embedding, extractive);
  }
  OpenAiOptions options;
  options.api_key = config.text("openai_api_key");
  const std::string base_url = config.text("openai_base_url");
  if (!base_url.empty()) options.base_url = base_url;
  options.model = config.text("answer_model");
  options.tokens_max = config.integer("answer_tokens_max");
  options.temperature = config.real("answer_temperature");
  options.connect_timeout = duration(config, "model_connect_timeout_ms");
  options.idle_timeout = duration(config, "model_idle_timeout_ms");
  return std::make_unique<OpenAiModel>(options, tracer);
}

}  // namespace millrace
