#pragma once

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/ids.h"
#include "common/log/kafka_log.h"

namespace millrace {

// HOST:PORT of the broker that ctest has started.
inline std::string test_kafka() {
  const char* file = std::getenv("TEST_KAFKA_BOOTSTRAP");
  std::string brokers;
  if (file != nullptr) std::ifstream{file} >> brokers;
  if (brokers.empty()) {
    throw std::runtime_error(
        "TEST_KAFKA_BOOTSTRAP must name a file with the address of a broker: ctest starts one");
  }
  return brokers;
}

// A part of the test broker that nobody else sees.
class KafkaPlace {
 public:
  KafkaLogOptions options(std::string instance = {}) const {
    KafkaLogOptions options;
    options.brokers = test_kafka();
    options.prefix = prefix_;
    options.instance = std::move(instance);
    return options;
  }
  std::unique_ptr<Log> open(std::string instance = {}) {
    return open(options(std::move(instance)), metrics_);
  }
  std::unique_ptr<Log> open(KafkaLogOptions options) { return open(std::move(options), metrics_); }
  static std::unique_ptr<Log> open(KafkaLogOptions options, MetricsRegistry& metrics) {
    auto log = open_kafka_log(std::move(options), system_clock(), metrics);
    if (!log) throw std::runtime_error(log.error().message);
    return std::move(*log);
  }
  MetricsRegistry& metrics() { return metrics_; }

 private:
  const std::string prefix_ = new_ulid(system_clock()) + ".";
  MetricsRegistry metrics_;
};

}  // namespace millrace
