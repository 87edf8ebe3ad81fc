#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

using MetricLabels = std::map<std::string, std::string>;  // bounded sets of values, never ids

// Handles to series of a registry: cheap to copy, thread-safe, valid while the registry lives.
class Counter {
 public:
  void add(double amount = 1) const;
  double value() const;

 private:
  friend class MetricsRegistry;
  void* series_ = nullptr;
};

class Gauge {
 public:
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  friend class MetricsRegistry;
  void* series_ = nullptr;
};

class Histogram {
 public:
  void observe(double value) const;

 private:
  friend class MetricsRegistry;
  void* series_ = nullptr;
};

// The process's metrics (prometheus-cpp inside). One per process, handed to every Probe; tests make
// their own. Asking again for the same name and labels gives the same series. Thread-safe.
class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  Counter counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  // `buckets` are upper bounds; the default suits seconds of a request (1 ms to 60 s).
  Histogram histogram(std::string_view name, std::string_view help, const MetricLabels& labels = {},
                      const std::vector<double>& buckets = {});

  // Takes the series out, where what it is about has ended. No other handle to it is used any more.
  void remove(std::string_view name, const Gauge& gauge);

  // Text exposition format 0.0.4.
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
