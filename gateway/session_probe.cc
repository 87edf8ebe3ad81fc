#include "gateway/session_probe.h"

namespace millrace {

SessionProbe::SessionProbe(MetricsRegistry& metrics)
    : in_flight{metrics.gauge("http_requests_in_flight", "Requests being answered.")},
      streams{metrics.gauge("sse_streams", "Event streams that are open.")},
      connections{metrics.gauge("http_connections", "Connections that are open.")},
      upload_bytes{metrics.gauge("http_upload_bytes_in_flight", "Request bodies in memory.")},
      connections_refused{metrics.counter("http_connections_refused_total",
                                          "Connections closed at once: too many are open.")},
      metrics_{metrics} {}

void SessionProbe::finished(std::string_view route, unsigned status,
                            std::chrono::duration<double> took) {
  const std::lock_guard lock{mutex_};
  auto found = routes_.find(route);
  if (found == routes_.end()) {
    Series series{metrics_.histogram("http_request_seconds", "From request head to last byte.",
                                     {{"route", std::string{route}}}),
                  {}};
    found = routes_.emplace(std::string{route}, std::move(series)).first;
  }
  auto counter = found->second.by_status.find(status);
  if (counter == found->second.by_status.end()) {
    const Counter made =
        metrics_.counter("http_requests_total", "Requests answered.",
                         {{"route", std::string{route}}, {"status", std::to_string(status)}});
    counter = found->second.by_status.emplace(status, made).first;
  }
  counter->second.add();
  found->second.seconds.observe(took.count());
}

}  // namespace millrace
