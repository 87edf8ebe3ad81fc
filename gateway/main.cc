#include <CLI/CLI.hpp>

#include "common/admin_server.h"
#include "common/clock.h"
#include "common/command_line.h"
#include "common/log/kafka_settings.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "common/stop_signal.h"
#include "common/tracing.h"
#include "gateway/gateway.h"
#include "gateway/gateway_settings.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// `millrace-gateway`: HTTP over Kafka, until SIGTERM or SIGINT. Any number of them serve together.
Status run_gateway(const Config& config) {
  set_log_level(config.text("log_level"));
  const GatewayOptions options = gateway_options(config, kGeneration);
  if (Status usable = Gateway::check(options); !usable) return usable;
  const std::chrono::milliseconds grace{config.integer("shutdown_grace_ms")};
  StopSignal stop{grace};
  MetricsRegistry metrics;
  const Tracing tracing{config, "millrace-gateway", system_clock(), metrics};
  Readiness readiness{{"log"}};
  // Until the gateway itself listens: probes and clients are told what it waits for.
  Result<std::unique_ptr<AdminServer>> waiting = nullptr;
  const auto listen_meanwhile = [&]() -> Status {
    waiting = AdminServer::start(config.text("listen"), metrics, readiness, Elsewhere::starting);
    return waiting ? Status{} : waiting.error();
  };
  if (Status listening = listen_meanwhile(); !listening) return listening;
  const KafkaLogOptions kafka = kafka_options(config);
  KafkaWait wait{kafka.brokers, readiness, stop};
  const auto partitions = static_cast<std::int32_t>(config.integer("partitions"));
  const Result<std::unique_ptr<Log>> base =
      wait_for_kafka(kafka, topic_specs(partitions, kGeneration), system_clock(), metrics, wait);
  if (!base) return base.error();
  if (!*base) return {};  // asked to stop before the cluster was there
  const std::unique_ptr<Log> log = make_segmented_log(**base);
  std::unique_ptr<Gateway> gateway;
  const Result<bool> started = wait.until([&]() -> Status {
    *waiting = nullptr;
    auto made = Gateway::start(options, *log, system_clock(), metrics, readiness, tracing.tracer());
    if (made) {
      gateway = *std::move(made);
      return {};
    }
    const Status listening = listen_meanwhile();
    return listening ? Status{made.error()} : listening;
  });
  if (!started) return started.error();
  if (!*started) return {};
  log_event(LogLevel::info, "gateway_ready", {{"port", gateway->port()}});
  Status ended = stop.wait();
  gateway->stop(grace);
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
