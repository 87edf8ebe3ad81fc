#include <CLI/CLI.hpp>

#include "common/clock.h"
#include "common/command_line.h"
#include "common/log/kafka_settings.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "common/stop_signal.h"
#include "gateway/gateway.h"
#include "gateway/gateway_settings.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// `millrace-gateway`: HTTP over Kafka, until SIGTERM or SIGINT. Any number of them serve together.
Status run_gateway(const Config& config) {
  set_log_level(config.text("log_level"));
  const std::chrono::milliseconds grace{config.integer("shutdown_grace_ms")};
  StopSignal stop{grace};
  MetricsRegistry metrics;
  Readiness readiness{{"log"}};
  const auto partitions = static_cast<std::int32_t>(config.integer("partitions"));
  const Result<std::unique_ptr<Log>> kafka = wait_for_kafka(
      kafka_options(config), topic_specs(partitions, kGeneration), system_clock(), metrics, stop);
  if (!kafka) return kafka.error();
  if (!*kafka) return {};  // asked to stop before the cluster was there
  const std::unique_ptr<Log> log = make_segmented_log(**kafka);
  readiness.set("log", true);
  const auto gateway = Gateway::start(gateway_options(config, kGeneration), *log, system_clock(),
                                      metrics, readiness);
  if (!gateway) return gateway.error();
  log_event(LogLevel::info, "gateway_ready", {{"port", (*gateway)->port()}});
  Status ended = stop.wait();
  (*gateway)->stop(grace);
  return ended;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Program program;
  program.name = "millrace-gateway";
  program.description = "The HTTP side of millrace over Apache Kafka: any number of replicas";
  program.use = millrace::SettingUse::gateway;
  program.add_flags = [](CLI::App&) {};
  program.run = millrace::run_gateway;
  return millrace::run_program(program, argc, argv);
}
