#include "common/otlp_exporter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/logging.h"
#include "common/otlp_json.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

enum class Outcome { taken, again, never };

// What OTLP/HTTP says may be sent again.
bool is_retryable(unsigned status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

Outcome outcome_of(const Result<OtlpReply>& reply) {
  if (!reply) return reply.error().kind == Error::Kind::rejected ? Outcome::never : Outcome::again;
  if (reply->status >= 200 && reply->status < 300) return Outcome::taken;
  return is_retryable(reply->status) ? Outcome::again : Outcome::never;
}

std::string why(const Result<OtlpReply>& reply) {
  return reply ? "HTTP status " + std::to_string(reply->status) : reply.error().message;
}

Counter dropped(MetricsRegistry& metrics, const char* reason) {
  return metrics.counter("trace_spans_dropped_total", "Spans that no collector will see",
                         {{"reason", reason}});
}

}  // namespace

ExportProbe::ExportProbe(MetricsRegistry& metrics)
    : exported{metrics.counter("trace_spans_exported_total", "Spans that the collector took")},
      dropped_queue_full{dropped(metrics, "queue_full")},
      dropped_export_failed{dropped(metrics, "export_failed")},
      dropped_refused{dropped(metrics, "refused")},
      failures{metrics.counter("trace_export_failures_total",
                               "Requests to the collector that failed or were refused")} {}

OtlpExporter::OtlpExporter(OtlpExporterOptions options, OtlpSender send, const ExportProbe& probe)
    : options_{std::move(options)},
      send_{std::move(send)},
      probe_{probe},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

OtlpExporter::~OtlpExporter() { stop(); }

void OtlpExporter::add(Span span) {
  {
    const std::lock_guard lock{mutex_};
    if (!stopping_ && queue_.size() < options_.queue_spans_max) {
      queue_.push_back(std::move(span));
      // The thread wakes for the first, waits for more, and wakes when there are enough.
      if (queue_.size() != 1 && queue_.size() != options_.batch_spans_max) return;
      changed_.notify_all();
      return;
    }
  }
  probe_.dropped_queue_full.add();
}

void OtlpExporter::stop() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock{mutex_};
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, options_.flush_timeout, [this] { return done_; });
  }
  thread_.request_stop();
  thread_.join();
}

void OtlpExporter::run(const std::stop_token& stop) {
  for (;;) {
    const std::vector<Span> batch = next_batch(stop);
    if (batch.empty()) break;
    deliver(batch, stop);
  }
  const std::lock_guard lock{mutex_};
  probe_.dropped_export_failed.add(static_cast<double>(queue_.size()));
  queue_.clear();
  done_ = true;
  changed_.notify_all();
}

// Empty: it is over.
std::vector<Span> OtlpExporter::next_batch(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, stop, [this] { return stopping_ || !queue_.empty(); });
  changed_.wait_for(lock, stop, options_.batch_wait,
                    [this] { return stopping_ || queue_.size() >= options_.batch_spans_max; });
  if (stop.stop_requested()) return {};
  const auto end =
      std::next(queue_.begin(),
                static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch_spans_max)));
  std::vector<Span> batch{std::make_move_iterator(queue_.begin()), std::make_move_iterator(end)};
  queue_.erase(queue_.begin(), end);
  return batch;
}

void OtlpExporter::deliver(const std::vector<Span>& batch, const std::stop_token& stop) {
  const std::string body = otlp_json(batch, options_.resource);
  const auto spans = static_cast<std::int64_t>(batch.size());
  for (int attempt = 1;; ++attempt) {
    const Result<OtlpReply> reply = send_(body, stop);
    const Outcome outcome = outcome_of(reply);
    if (outcome == Outcome::taken) {
      const std::int64_t refused = std::clamp<std::int64_t>(reply->rejected_spans, 0, spans);
      probe_.exported.add(static_cast<double>(spans - refused));
      probe_.dropped_refused.add(static_cast<double>(refused));
      if (std::exchange(failing_, false)) log_event(LogLevel::info, "trace_export_resumed");
      return;
    }
    probe_.failures.add();
    failing(why(reply));
    if (outcome == Outcome::never) {
      probe_.dropped_refused.add(static_cast<double>(spans));
      return;
    }
    const bool last = attempt >= options_.attempts_max;
    if (last || !pause(reply ? reply->retry_after : std::nullopt, attempt, stop)) {
      probe_.dropped_export_failed.add(static_cast<double>(spans));
      return;
    }
  }
}

// False: there is no time for another attempt.
bool OtlpExporter::pause(const std::optional<milliseconds>& wanted, int attempt,
                         const std::stop_token& stop) {
  const milliseconds grown =
      std::min(options_.retry_pause * (1 << std::min(attempt - 1, 16)), options_.retry_pause_max);
  const double jitter = std::uniform_real_distribution<double>{0.5, 1}(random_);
  const milliseconds wait = wanted ? std::min(*wanted, options_.retry_pause_max)
                                   : std::chrono::duration_cast<milliseconds>(grown * jitter);
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, stop, wait, [this] { return stopping_; });
  return !stopping_ && !stop.stop_requested();
}

void OtlpExporter::failing(const std::string& why) {
  if (std::exchange(failing_, true)) return;
  log_event(LogLevel::warning, "trace_export_failing", {{"error", why}});
}

}  // namespace millrace
