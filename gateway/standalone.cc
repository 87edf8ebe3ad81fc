#include "gateway/standalone.h"

#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/log/embedded_log.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "common/stop_signal.h"
#include "common/tracing.h"
#include "gateway/gateway.h"
#include "gateway/gateway_settings.h"
#include "schemas/topics.h"
#include "workers/stage_host.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

milliseconds duration(const Config& config, std::string_view name) {
  return milliseconds{config.integer(name)};
}

// But those for a log that leaves its segments lying.
std::vector<const StageRow*> own_stages() {
  std::vector<const StageRow*> rows;
  for (const StageRow& row : stage_table()) {
    if (!row.needs.segments) rows.push_back(&row);
  }
  return rows;
}

Result<std::unique_ptr<Log>> open_log(const Config& config, MetricsRegistry& metrics) {
  EmbeddedLogOptions options;
  options.directory = fs::path{config.text("data_dir")} / "log";
  options.queue_bytes_max = static_cast<std::size_t>(config.integer("log_queue_bytes_max"));
  options.trim_interval = duration(config, "log_trim_interval_ms");
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (error) return rejected("data_dir " + options.directory.string() + ": " + error.message());
  return open_embedded_log(options, system_clock(), metrics);
}

// Everything the process consists of, in the order in which it is made; destroyed the other way
// round.
class Standalone {
 public:
  explicit Standalone(const Config& config)
      : config_{config},
        tracing_{config, "millrace", system_clock(), metrics_},
        stages_{config, own_stages(), metrics_, readiness_, tracing_.tracer()} {}

  Status start(StopSignal& stop) {
    std::future<Status> loading = std::async(std::launch::async, [this] { return stages_.load(); });
    const Status opened = open_log();
    const Status loaded = loading.get();
    if (!opened) return opened;
    if (!loaded) return loaded;
    Status started =
        stages_.start(*log_, nullptr, [&stop](const Error& error) { stop.because(error); });
    if (!started) return started;
    Result<std::unique_ptr<Gateway>> gateway =
        Gateway::start(gateway_options(config_, kGeneration), *log_, system_clock(), metrics_,
                       readiness_, tracing_.tracer());
    if (!gateway) return gateway.error();
    gateway_ = *std::move(gateway);
    return {};
  }

  void stop() {
    if (gateway_) gateway_->stop(duration(config_, "shutdown_grace_ms"));
    stages_.stop();
  }

  std::uint16_t port() const { return gateway_->port(); }
  std::string answers_by() const { return stages_.answers_by(); }

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

  const Config& config_;
  MetricsRegistry metrics_;
  const Tracing tracing_;
  Readiness readiness_{{"log"}};
  std::unique_ptr<Log> embedded_log_;
  std::unique_ptr<Log> log_;
  StageHost stages_;
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
  set_log_level(config.text("log_level"));
  StopSignal stop{duration(config, "shutdown_grace_ms")};
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
