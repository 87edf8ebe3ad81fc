#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/metrics.h"
#include "common/span.h"

namespace millrace {

// What the collector said of one request.
struct OtlpReply {
  unsigned status = 0;
  std::optional<std::chrono::milliseconds> retry_after;
  std::int64_t rejected_spans = 0;  // of those that it took: its partialSuccess
};
// Sends one request's body; any error but `rejected` is worth another try. Returns soon after
// `stop` is requested.
using OtlpSender = std::function<Result<OtlpReply>(const std::string& body, std::stop_token stop)>;

struct OtlpExporterOptions {
  std::map<std::string, std::string> resource;        // attributes of the process
  std::size_t queue_spans_max = 8'192;                // that wait; more are dropped: some 8 MB
  std::size_t batch_spans_max = 512;                  // of one request
  std::chrono::milliseconds batch_wait{1'000};        // for a batch to fill
  int attempts_max = 5;                               // at one batch; then it is dropped
  std::chrono::milliseconds retry_pause{500};         // doubled each time, with jitter
  std::chrono::milliseconds retry_pause_max{10'000};  // Retry-After too is cut to it
  std::chrono::milliseconds flush_timeout{1'000};     // of stop()
};

// Every metric of exporting, there with and without a collector.
struct ExportProbe {
  explicit ExportProbe(MetricsRegistry& metrics);
  Counter exported;
  Counter dropped_queue_full;
  Counter dropped_export_failed;
  Counter dropped_refused;
  Counter failures;  // requests
};

// Takes spans to an OpenTelemetry collector, in batches, on a thread of its own. A collector that
// is slow or away costs spans, never time of whoever ends one: what finds the queue full, or cannot
// be sent within attempts_max, is dropped and counted.
class OtlpExporter : public SpanSink {
 public:
  OtlpExporter(OtlpExporterOptions options, OtlpSender send, const ExportProbe& probe);
  ~OtlpExporter() override;  // stops

  void add(Span span) override;
  // Sends what waits, each batch once, for flush_timeout at most; the rest is dropped. Idempotent.
  void stop();

 private:
  void run(const std::stop_token& stop);
  std::vector<Span> next_batch(const std::stop_token& stop);
  void deliver(const std::vector<Span>& batch, const std::stop_token& stop);
  bool pause(const std::optional<std::chrono::milliseconds>& wanted, int attempt,
             const std::stop_token& stop);
  void failing(const std::string& why);

  const OtlpExporterOptions options_;
  const OtlpSender send_;
  const ExportProbe probe_;
  std::minstd_rand random_{std::random_device{}()};  // of the thread
  bool failing_ = false;                             // of the thread: said once, not each time

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Span> queue_;
  bool stopping_ = false;
  bool done_ = false;
  std::jthread thread_;  // last: everything it uses is there before it
};

}  // namespace millrace
