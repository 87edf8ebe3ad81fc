#include "common/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>

namespace millrace {
namespace {

template <class Series>
using Families = std::map<std::string, prometheus::Family<Series>*, std::less<>>;

// 1 ms to 60 s, finer where requests usually are.
constexpr double kDefaultBuckets[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                      0.5,   1,      2.5,   5,    10,    30,   60};

// A bad name, a bad label, or one name for two types: only a bug does this.
[[noreturn]] void refuse(std::string_view name, const std::exception& cause) {
  std::fprintf(stderr, "metric %.*s: %s\n", static_cast<int>(name.size()), name.data(),
               cause.what());
  std::abort();
}

template <class Series, class Builder, class... Extra>
void* find_series(prometheus::Registry& registry, Families<Series>& families, Builder builder,
                  std::string_view name, std::string_view help, const MetricLabels& labels,
                  const Extra&... extra) {
  try {
    auto found = families.find(name);
    if (found == families.end()) {
      auto& family = builder().Name(std::string{name}).Help(std::string{help}).Register(registry);
      found = families.emplace(name, &family).first;
    }
    return &found->second->Add(labels, extra...);
  } catch (const std::exception& cause) {
    refuse(name, cause);
  }
}

}  // namespace

struct MetricsRegistry::Impl {
  std::mutex mutex;  // guards the maps
  prometheus::Registry registry;
  Families<prometheus::Counter> counters;
  Families<prometheus::Gauge> gauges;
  Families<prometheus::Histogram> histograms;
};

MetricsRegistry::MetricsRegistry() : impl_{std::make_unique<Impl>()} {}
MetricsRegistry::~MetricsRegistry() = default;

Counter MetricsRegistry::counter(std::string_view name, std::string_view help,
                                 const MetricLabels& labels) {
  const std::lock_guard lock{impl_->mutex};
  Counter handle;
  handle.series_ =
      find_series(impl_->registry, impl_->counters, prometheus::BuildCounter, name, help, labels);
  return handle;
}

Gauge MetricsRegistry::gauge(std::string_view name, std::string_view help,
                             const MetricLabels& labels) {
  const std::lock_guard lock{impl_->mutex};
  Gauge handle;
  handle.series_ =
      find_series(impl_->registry, impl_->gauges, prometheus::BuildGauge, name, help, labels);
  return handle;
}

Histogram MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                     const MetricLabels& labels,
                                     const std::vector<double>& buckets) {
  const std::lock_guard lock{impl_->mutex};
  prometheus::Histogram::BucketBoundaries bounds{buckets.begin(), buckets.end()};
  if (bounds.empty()) bounds.assign(std::begin(kDefaultBuckets), std::end(kDefaultBuckets));
  Histogram handle;
  handle.series_ = find_series(impl_->registry, impl_->histograms, prometheus::BuildHistogram, name,
                               help, labels, bounds);
  return handle;
}

void MetricsRegistry::remove(std::string_view name, const Gauge& gauge) {
  const std::lock_guard lock{impl_->mutex};
  const auto found = impl_->gauges.find(name);
  if (found == impl_->gauges.end() || gauge.series_ == nullptr) return;
  found->second->Remove(static_cast<prometheus::Gauge*>(gauge.series_));
}

std::string MetricsRegistry::render() const {
  return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

void Counter::add(double amount) const {
  if (series_ != nullptr) static_cast<prometheus::Counter*>(series_)->Increment(amount);
}

double Counter::value() const {
  return series_ == nullptr ? 0 : static_cast<prometheus::Counter*>(series_)->Value();
}

void Gauge::set(double value) const {
  if (series_ != nullptr) static_cast<prometheus::Gauge*>(series_)->Set(value);
}

void Gauge::add(double amount) const {
  if (series_ != nullptr) static_cast<prometheus::Gauge*>(series_)->Increment(amount);
}

double Gauge::value() const {
  return series_ == nullptr ? 0 : static_cast<prometheus::Gauge*>(series_)->Value();
}

void Histogram::observe(double value) const {
  if (series_ != nullptr) static_cast<prometheus::Histogram*>(series_)->Observe(value);
}

}  // namespace millrace
