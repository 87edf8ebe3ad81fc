#pragma once

#include <memory>
#include <string_view>

#include "common/clock.h"
#include "common/config.h"
#include "common/metrics.h"
#include "common/otlp_exporter.h"
#include "common/tracer.h"

namespace millrace {

// The traces of a process as the settings want them: a tracer with an exporter behind it, or none.
// Outlives whoever has the tracer; its destructor sends what is left, for a moment at most.
class Tracing {
 public:
  // `program` is the service's name where the settings have none. `clock` outlives it.
  Tracing(const Config& config, std::string_view program, const Clock& clock,
          MetricsRegistry& metrics);

  const Tracer* tracer() const { return tracer_.get(); }  // null: no collector is configured

 private:
  std::unique_ptr<OtlpExporter> exporter_;
  std::unique_ptr<Tracer> tracer_;
};

}  // namespace millrace
