#include "workers/stage_host.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <iterator>
#include <utility>

#include "schemas/topics.h"
#include "workers/worker_settings.h"

namespace millrace {

StageHost::StageHost(const Config& config, std::vector<const StageRow*> rows,
                     MetricsRegistry& metrics, Readiness& readiness, const Tracer* tracer)
    : config_{config},
      rows_{std::move(rows)},
      metrics_{metrics},
      readiness_{readiness},
      tracer_{tracer} {
  for (const char* each : {"model", "index", "stages"}) readiness_.set(each, false, "loading");
}

StageHost::~StageHost() { stop(); }

bool StageHost::needs(bool StageNeeds::*what) const {
  return std::ranges::any_of(rows_, [&](const StageRow* row) { return row->needs.*what; });
}

Status StageHost::load() {
  if (Status loaded = load_models(); !loaded) return loaded;
  if (Status opened = open_sweep_state(); !opened) return opened;
  readiness_.set("model", true);
  readiness_.set("index", true);
  return {};
}

Status StageHost::load_models() {
  const OpenVinoOptions options = model_options(config_);
  const bool extractive = needs(&StageNeeds::language_model) && answers_need_embedding(config_);
  const bool keep = needs(&StageNeeds::embedding_model) || extractive;
  if (keep || needs(&StageNeeds::indexes)) {
    Result<std::unique_ptr<EmbeddingModel>> model = load_openvino_model(options, metrics_);
    if (!model) return model.error();
    max_tokens_ = (*model)->max_tokens();
    if (needs(&StageNeeds::indexes)) {
      if (Status opened = open_indexes((*model)->dimensions()); !opened) return opened;
    }
    if (keep) embedding_model_ = *std::move(model);  // else it only had to say its dimensions
  }
  if (needs(&StageNeeds::embedding_cache)) {
    embedding_cache_ = std::make_unique<EmbeddingCache>(
        static_cast<std::size_t>(config_.integer("embedding_cache_bytes_max")), metrics_);
  }
  if (!embedding_model_ && needs(&StageNeeds::tokenizer)) {
    Result<std::unique_ptr<Tokenizer>> tokenizer =
        load_tokenizer(options.folder / "tokenizer.json");
    if (!tokenizer) return tokenizer.error();
    tokenizer_ = *std::move(tokenizer);
    max_tokens_ = options.max_tokens;
  }
  if (needs(&StageNeeds::language_model)) {
    language_model_ = make_language_model(config_, embedding_model_.get(), tracer_);
    Result<std::unique_ptr<Reranker>> reranker = make_reranker(config_);
    if (!reranker) return reranker.error();
    reranker_ = *std::move(reranker);
  }
  return {};
}

Result<std::unique_ptr<EmbeddingModel>> StageHost::load_named_model(const std::string& name) const {
  const std::filesystem::path folder = config_.text("models_dir");
  if (folder.empty()) return rejected("models_dir is not set here");
  OpenVinoOptions options = model_options(config_);
  options.folder = folder / name;
  return load_openvino_model(options, metrics_);
}

IndexSetOptions StageHost::index_options(std::int32_t dimensions) const {
  IndexSetOptions options;
  options.directory = std::filesystem::path{config_.text("data_dir")} / "index";
  options.generation = kGeneration;
  options.partitions = static_cast<std::int32_t>(config_.integer("partitions"));
  options.dimensions = dimensions;
  options.purge_after = purge_after(config_);
  return options;
}

Status StageHost::open_indexes(std::int32_t dimensions) {
  dimensions_ = dimensions;
  Result<std::unique_ptr<IndexSet>> opened = IndexSet::open(index_options(dimensions), metrics_);
  if (!opened) return opened.error();
  indexes_ = *std::move(opened);
  return {};
}

Status StageHost::open_sweep_state() {
  if (!needs(&StageNeeds::segments)) return {};
  auto opened = SweepState::open(std::filesystem::path{config_.text("data_dir")} / "sweeper");
  if (!opened) return opened.error();
  sweep_state_ = *std::move(opened);
  return {};
}

StageResources StageHost::resources_on(Log& log, Log* segments) {
  StageResources resources{
      .log = log, .segments = segments, .clock = system_clock(), .metrics = metrics_};
  resources.tokenizer = embedding_model_ ? &embedding_model_->tokenizer() : tokenizer_.get();
  resources.embedding_model = embedding_model_.get();
  resources.embedding_cache = embedding_cache_.get();
  resources.language_model = language_model_.get();
  resources.indexes = indexes_.get();
  resources.sweep_state = sweep_state_.get();
  resources.indexed = std::make_shared<PartitionChoice>();
  resources.partitions = static_cast<std::int32_t>(config_.integer("partitions"));
  resources.generation = kGeneration;
  resources.generations = &generations_;
  resources.sandbox = sandbox_options(config_);
  resources.chunker = chunker_options(config_, max_tokens_);
  resources.answerer = answerer_options(config_);
  resources.answerer.rerank.reranker = reranker_.get();
  resources.answerer.tracer = tracer_;
  resources.candidates_min = rerank_candidates(config_);
  resources.drift_window = static_cast<std::size_t>(config_.integer("drift_window"));
  return resources;
}

Status StageHost::start(Log& log, Log* segments,
                        const std::function<void(const Error&)>& on_fatal) {
  const StageResources resources = resources_on(log, segments);
  RunnerOptions runner = runner_options(config_);
  runner.live = std::make_shared<LiveWork>();
  runner.tracer = tracer_;
  GenerationHostOptions options{
      .rows = {},
      .resources = resources,
      .runner = runner,
      .indexes = index_options(dimensions_),
      .load_model = [this](const std::string& name) { return load_named_model(name); },
      .data_dir = config_.text("data_dir"),
      .disk_reserve = static_cast<std::uint64_t>(config_.integer("generation_disk_reserve_bytes"))};
  std::ranges::copy_if(rows_, std::back_inserter(options.rows), &StageRow::per_generation);
  if (!options.rows.empty()) {
    others_ = std::make_unique<GenerationHost>(std::move(options), generations_, on_fatal);
  }
  runners_ = std::make_unique<RunnerGroup>(rows_, resources, runner);
  // The others first: whose collections are in the first generation is known then.
  Status started = others_ ? others_->start() : Status{};
  if (started) started = runners_->start(on_fatal);
  if (!started) {
    runners_.reset();
    others_.reset();
    return started;
  }
  readiness_.set("stages", true);
  return started;
}

void StageHost::stop() {
  std::future<void> others = std::async(std::launch::async, [this] {
    if (others_) others_->stop();
  });
  if (runners_) runners_->stop();
}

std::string StageHost::answers_by() const {
  return language_model_ ? language_model_->name() : std::string{};
}

}  // namespace millrace
