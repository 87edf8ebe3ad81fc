#include "workers/worker.h"

#include <memory>
#include <utility>

#include "common/admin_server.h"
#include "common/clock.h"
#include "common/log/kafka_settings.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "common/stop_signal.h"
#include "common/tracing.h"
#include "schemas/restore.h"
#include "schemas/topics.h"
#include "workers/stage_host.h"

namespace millrace {
namespace {

std::string names_of(const std::vector<const StageRow*>& rows) {
  std::string names;
  for (const StageRow* each : rows) names.append(names.empty() ? "" : ",").append(each->name);
  return names;
}

}  // namespace

Status run_worker(const Config& config, const std::vector<std::string>& stages) {
  Result<std::vector<const StageRow*>> rows = find_stages(stages);
  if (!rows) return rows.error();
  set_log_level(config.text("log_level"));
  StopSignal stop{std::chrono::milliseconds{config.integer("shutdown_grace_ms")}};
  MetricsRegistry metrics;
  const Tracing tracing{config, "millrace-worker", system_clock(), metrics};
  Readiness readiness{{"log"}};
  const auto admin = AdminServer::start(config.text("admin_listen"), metrics, readiness);
  if (!admin) return with_context("admin_listen (port 0 takes a free one)", admin.error());
  const KafkaLogOptions options = kafka_options(config);
  KafkaWait wait{options.brokers, readiness, stop};
  // Destroyed the other way round: runners before the log.
  const auto partitions = static_cast<std::int32_t>(config.integer("partitions"));
  Result<std::unique_ptr<Log>> kafka =
      wait_for_kafka(options, topic_specs(partitions, kGeneration), system_clock(), metrics, wait);
  if (!kafka) return kafka.error();
  if (!*kafka) return {};  // asked to stop before the cluster was there
  const std::unique_ptr<Log> log = make_segmented_log(**kafka);
  if (Status whole = check_whole(*log); !whole) return whole;
  StageHost host{config, *rows, metrics, readiness, tracing.tracer()};
  if (Status loaded = host.load(); !loaded) return loaded;
  const auto because = [&stop](const Error& error) { stop.because(error); };
  const Result<bool> started = wait.until([&] { return host.start(*log, kafka->get(), because); });
  if (!started) return started.error();
  if (!*started) return {};
  log_event(LogLevel::info, "worker_ready",
            {{"stages", names_of(*rows)}, {"admin_port", (*admin)->port()}});
  Status ended = stop.wait();
  host.stop();
  return ended;
}

}  // namespace millrace
