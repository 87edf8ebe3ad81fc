#pragma once

#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"

namespace millrace {

// `millrace-worker`: stages over Kafka, until SIGTERM or SIGINT. Waits for the cluster and its
// topics as long as it takes. Serves /metrics, /livez and /readyz. Blocks the calling thread.
Status run_worker(const Config& config, const std::vector<std::string>& stages);

}  // namespace millrace
