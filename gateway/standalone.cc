#include "gateway/standalone.h"

#include <pthread.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/log/embedded_log.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "gateway/gateway.h"
#include "schemas/topics.h"
#include "workers/answerer/extractive_model.h"
#include "workers/answerer/openai_model.h"
#include "workers/model/openvino_model.h"
#include "workers/stages.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// There is one generation until collections can be re-indexed.
constexpr int kGeneration = 1;
constexpr std::string_view kDefaultModel = "all-MiniLM-L6-v2";

milliseconds duration(const Config& config, std::string_view name) {
  return milliseconds{config.integer(name)};
}
std::size_t count(const Config& config, std::string_view name) {
  return static_cast<std::size_t>(config.integer(name));
}

// Waits for SIGTERM or SIGINT, or for a runner that cannot go on. Signals must be blocked in every
// thread, so it is made first.
class Stop {
 public:
  Stop() : waiter_{pthread_self()} {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  // Any thread. The first reason counts.
  void because(const Error& error) {
    {
      const std::lock_guard lock{mutex_};
      if (!error_) error_ = error;
    }
    pthread_kill(waiter_, SIGTERM);
  }
  Status wait() {
    int signal = 0;
    sigwait(&signals_, &signal);
    const std::lock_guard lock{mutex_};
    if (error_) return *error_;
    log_event(LogLevel::info, "stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
    return {};
  }

 private:
  const pthread_t waiter_;
  sigset_t signals_{};
  std::mutex mutex_;
  std::optional<Error> error_;
};

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

OpenVinoOptions model_options(const Config& config) {
  OpenVinoOptions options;
  options.folder = config.text("model_dir");
  if (options.folder.empty()) options.folder = default_model_folder();
  options.cache = fs::path{config.text("data_dir")} / "model-cache";
  options.encoders = count(config, "embedding_threads");
  options.batch_tokens = count(config, "embed_batch_tokens");
  return options;
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

Result<std::unique_ptr<Log>> open_log(const Config& config, MetricsRegistry& metrics) {
  EmbeddedLogOptions options;
  options.directory = fs::path{config.text("data_dir")} / "log";
  options.queue_bytes_max = count(config, "log_queue_bytes_max");
  options.trim_interval = duration(config, "log_trim_interval_ms");
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (error) return rejected("data_dir " + options.directory.string() + ": " + error.message());
  return open_embedded_log(options, system_clock(), metrics);
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

AnswererOptions answerer_options(const Config& config) {
  AnswererOptions options;
  options.search_timeout = duration(config, "search_timeout_ms");
  options.answer_timeout = duration(config, "answer_timeout_ms");
  options.stop_grace = duration(config, "shutdown_grace_ms");
  options.in_flight_max = count(config, "answers_in_flight_max");
  return options;
}

// HOST:PORT, checked when the settings were loaded.
void set_address(GatewayOptions& options, const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  options.host = listen.substr(0, colon);
  if (options.host.starts_with('[')) options.host = options.host.substr(1, options.host.size() - 2);
  options.port = static_cast<std::uint16_t>(std::stoi(listen.substr(colon + 1)));
}

GatewayOptions gateway_options(const Config& config) {
  GatewayOptions options;
  set_address(options, config.text("listen"));
  options.threads = static_cast<int>(config.integer("gateway_threads"));
  options.data_dir = config.text("data_dir");
  options.generation = kGeneration;
  options.api_keys = config.api_keys();
  options.body_bytes_max = count(config, "body_bytes_max");
  options.header_bytes_max = count(config, "header_bytes_max");
  options.header_timeout = duration(config, "header_timeout_ms");
  options.body_timeout = duration(config, "body_timeout_ms");
  options.idle_timeout = duration(config, "idle_timeout_ms");
  options.answer_timeout = duration(config, "answer_timeout_ms");
  options.search_timeout = duration(config, "search_timeout_ms");
  options.connections_max = count(config, "connections_max");
  options.upload_bytes_in_flight_max = count(config, "uploads_in_flight_bytes_max");
  options.stream_backlog_max = count(config, "stream_backlog_max");
  options.top_k_default = config.integer("top_k");
  options.top_k_max = config.integer("top_k_max");
  options.question_bytes_max = count(config, "question_bytes_max");
  options.documents_per_request_max = count(config, "documents_per_request_max");
  return options;
}

std::unique_ptr<LanguageModel> make_language_model(const Config& config,
                                                   EmbeddingModel& embedding) {
  OpenAiOptions options;
  options.api_key = config.text("openai_api_key");
  const std::string base_url = config.text("openai_base_url");
  if (options.api_key.empty() && base_url.empty()) {
    ExtractiveOptions extractive;
    extractive.refusal_threshold = config.real("refusal_threshold");
    return std::make_unique<ExtractiveModel>(embedding, extractive);
  }
  if (!base_url.empty()) options.base_url = base_url;
  options.model = config.text("answer_model");
  options.tokens_max = config.integer("answer_tokens_max");
  options.temperature = config.real("answer_temperature");
  options.connect_timeout = duration(config, "model_connect_timeout_ms");
  options.idle_timeout = duration(config, "model_idle_timeout_ms");
  return std::make_unique<OpenAiModel>(options);
}

// Everything the process consists of, in the order in which it is made; destroyed the other way
// round.
class Standalone {
 public:
  explicit Standalone(const Config& config) : config_{config} {}

  Status start(Stop& stop) {
    std::future<Result<std::unique_ptr<EmbeddingModel>>> loading =
        std::async(std::launch::async,
                   [this] { return load_openvino_model(model_options(config_), metrics_); });
    if (Status opened = open_log(); !opened) return opened;
    Result<std::unique_ptr<EmbeddingModel>> model = loading.get();
    if (!model) return model.error();
    embedding_model_ = *std::move(model);
    readiness_.set("model", true);
    language_model_ = make_language_model(config_, *embedding_model_);
    if (Status opened = open_indexes(); !opened) return opened;
    if (Status started = start_runners(stop); !started) return started;
    Result<std::unique_ptr<Gateway>> gateway =
        Gateway::start(gateway_options(config_), *log_, system_clock(), metrics_, readiness_);
    if (!gateway) return gateway.error();
    gateway_ = *std::move(gateway);
    return {};
  }

  void stop() {
    if (gateway_) gateway_->stop(duration(config_, "shutdown_grace_ms"));
    for (const std::unique_ptr<Runner>& each : runners_) each->stop();
  }

  std::uint16_t port() const { return gateway_->port(); }
  std::string answers_by() const { return language_model_->name(); }

 private:
  Status open_log() {
    Result<std::unique_ptr<Log>> opened = millrace::open_log(config_, metrics_);
    if (!opened) return opened.error();
    embedded_log_ = *std::move(opened);
    log_ = make_segmented_log(*embedded_log_);
    const auto partitions = static_cast<std::int32_t>(config_.integer("partitions"));
    if (Status made = log_->create_topics(topic_specs(partitions, kGeneration)); !made) {
      return with_context("partitions cannot change once the data folder is made", made.error());
    }
    readiness_.set("log", true);
    return {};
  }

  Status open_indexes() {
    IndexSetOptions options;
    options.directory = fs::path{config_.text("data_dir")} / "index";
    options.generation = kGeneration;
    options.partitions = static_cast<std::int32_t>(config_.integer("partitions"));
    options.dimensions = embedding_model_->dimensions();
    Result<std::unique_ptr<IndexSet>> opened = IndexSet::open(options, metrics_);
    if (!opened) return opened.error();
    indexes_ = *std::move(opened);
    readiness_.set("index", true);
    return {};
  }

  Status start_runners(Stop& stop) {
    const StageResources resources{
        .log = *log_,
        .clock = system_clock(),
        .metrics = metrics_,
        .embedding_model = *embedding_model_,
        .language_model = *language_model_,
        .indexes = *indexes_,
        .generation = kGeneration,
        .sandbox = sandbox_options(config_),
        .chunker = {.chunk_tokens = count(config_, "chunk_tokens"),
                    .overlap_tokens = count(config_, "chunk_overlap_tokens"),
                    .max_tokens = embedding_model_->max_tokens()},
        .answerer = answerer_options(config_),
    };
    for (const StageRow& row : stage_table()) {
      runners_.push_back(make_runner(row, resources, runner_options(config_)));
      Status started = runners_.back()->start([&stop](const Error& error) { stop.because(error); });
      if (!started)
        return with_context("start the stage " + std::string{row.name}, started.error());
    }
    readiness_.set("stages", true);
    return {};
  }

  const Config& config_;
  MetricsRegistry metrics_;
  Readiness readiness_{{"log", "model", "index", "stages"}};
  std::unique_ptr<Log> embedded_log_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<EmbeddingModel> embedding_model_;
  std::unique_ptr<LanguageModel> language_model_;
  std::unique_ptr<IndexSet> indexes_;
  std::vector<std::unique_ptr<Runner>> runners_;
  std::unique_ptr<Gateway> gateway_;
};

void print_welcome(const Config& config, const Standalone& standalone) {
  const std::string listen = config.text("listen");
  const std::string address =
      "http://" + listen.substr(0, listen.rfind(':') + 1) + std::to_string(standalone.port());
  std::error_code error;
  const std::string program = fs::read_symlink("/proc/self/exe", error).string();
  const std::string server = standalone.port() == 8000 ? std::string{} : " --server " + address;
  std::cout << "millrace is ready at " << address << "\n"
            << "  data in " << config.text("data_dir") << ", answers by " << standalone.answers_by()
            << ", interface at " << address << "/docs\n\n"
            << "Try, from another terminal:\n"
            << "  " << program << " add README.md" << server << "\n"
            << "  " << program << " ask \"What is guaranteed?\"" << server << "\n"
            << "  " << program << " status" << server << "\n"
            << std::endl;
}

}  // namespace

std::string_view extraction_child_flag() { return kSandboxFlag; }
int run_extraction_child() { return run_sandbox_child(); }

Status run_standalone(const Config& config) {
  static const std::map<std::string, LogLevel> kLevels{{"debug", LogLevel::debug},
                                                       {"info", LogLevel::info},
                                                       {"warning", LogLevel::warning},
                                                       {"error", LogLevel::error}};
  set_log_level(kLevels.at(config.text("log_level")));
  Stop stop;
  Standalone standalone{config};
  Status ended = standalone.start(stop);
  if (ended) {
    print_welcome(config, standalone);
    ended = stop.wait();
  }
  standalone.stop();
  return ended;
}

}  // namespace millrace
