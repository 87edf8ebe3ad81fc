#pragma once

#include <chrono>
#include <map>
#include <string>

#include "common/otlp_exporter.h"

namespace millrace {

struct OtlpHttpOptions {
  std::string endpoint;  // of the collector, http or https; /v1/traces is added
  std::map<std::string, std::string> headers;  // of every request; may hold secrets
  std::chrono::milliseconds timeout{10'000};   // of one request, as a whole
};

// POST ENDPOINT/v1/traces as application/json. For one thread at a time.
OtlpSender make_otlp_sender(OtlpHttpOptions options);

}  // namespace millrace
