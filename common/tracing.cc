#include "common/tracing.h"

#include <map>
#include <string>
#include <utility>

#include "common/ids.h"
#include "common/otlp_headers.h"
#include "common/otlp_http.h"

namespace millrace {
namespace {

std::map<std::string, std::string> resource_of(const Config& config, std::string_view program,
                                               const Clock& clock) {
  const std::string name = config.text("otlp_service_name");
  const std::string instance = config.text("kafka_instance");
  return {{"service.name", name.empty() ? std::string{program} : name},
          {"service.version", MILLRACE_VERSION},
          {"service.instance.id", instance.empty() ? new_ulid(clock) : instance},
          {"telemetry.sdk.language", "cpp"},
          {"telemetry.sdk.name", "millrace"},
          {"telemetry.sdk.version", MILLRACE_VERSION}};
}

}  // namespace

Tracing::Tracing(const Config& config, std::string_view program, const Clock& clock,
                 MetricsRegistry& metrics) {
  const ExportProbe probe{metrics};  // there in any case, for dashboards
  OtlpHttpOptions http;
  http.endpoint = config.text("otlp_endpoint");
  if (http.endpoint.empty()) return;
  auto headers = parse_otlp_headers(config.text("otlp_headers"));
  if (headers) http.headers = *std::move(headers);  // else the settings would have been refused
  OtlpExporterOptions options;
  options.resource = resource_of(config, program, clock);
  exporter_ =
      std::make_unique<OtlpExporter>(std::move(options), make_otlp_sender(std::move(http)), probe);
  tracer_ = std::make_unique<Tracer>(clock, *exporter_, config.real("trace_sample_ratio"));
}

}  // namespace millrace
