#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "common/metrics.h"

namespace millrace {

// Every metric of the HTTP side. Labels are route patterns and status codes only.
class SessionProbe {
 public:
  explicit SessionProbe(MetricsRegistry& metrics);

  void finished(std::string_view route, unsigned status, std::chrono::duration<double> took);
  Gauge in_flight;
  Gauge streams;
  Gauge connections;
  Gauge upload_bytes;
  Counter connections_refused;

 private:
  struct Series {
    Histogram seconds;
    std::map<unsigned, Counter> by_status;
  };
  MetricsRegistry& metrics_;
  std::mutex mutex_;
  std::map<std::string, Series, std::less<>> routes_;
};

}  // namespace millrace
