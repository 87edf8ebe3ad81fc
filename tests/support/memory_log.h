#pragma once

#include <memory>

#include "common/log/log.h"
#include "common/metrics.h"

namespace millrace {

// An embedded log in memory, behind the segmenting view, as every process has it. Gone with it.
// `metrics` must outlive it.
std::unique_ptr<Log> make_memory_log(MetricsRegistry& metrics);

}  // namespace millrace
