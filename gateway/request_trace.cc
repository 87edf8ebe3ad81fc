#include "gateway/request_trace.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr std::string_view kTraceparent = "traceparent";
constexpr std::string_view kMetrics = "/metrics";

// Where the client sends more than one, none of them counts (W3C Trace Context, section 3.2).
std::string_view sent_with(const RequestHead& head) {
  std::string_view found;
  for (const auto& [name, value] : head.fields) {
    if (name != kTraceparent) continue;
    if (!found.empty()) return {};
    found = value;
  }
  return found;
}

// Of the conventions: a method that is not known might be anything.
std::string_view method_of(const RequestHead& head) {
  for (const char* known : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    if (head.method == known) return known;
  }
  return "_OTHER";
}

bool is_probe(const Route* route) {
  return route != nullptr && (!route->role || route->path == kMetrics);
}

}  // namespace

RequestTrace::RequestTrace(const Tracer* tracer, RequestHead& head, Clock::Steady began)
    : tracer_{tracer} {
  const std::string_view parent = sent_with(head);
  if (tracer == nullptr) {
    head.traceparent = child_of(parent).traceparent();
    return;
  }
  const std::string_view method = method_of(head);
  span_ = tracer->start(std::string{method}, Span::Kind::server, parent, began);
  span_->set("http.request.method", method);
  span_->set("network.protocol.version", head.http_1_1 ? "1.1" : "1.0");
  head.traceparent = span_->context.traceparent();
}

RequestTrace::RequestTrace(RequestTrace&& other) noexcept
    : tracer_{other.tracer_}, span_{std::exchange(other.span_, std::nullopt)} {}

RequestTrace& RequestTrace::operator=(RequestTrace&& other) noexcept {
  std::swap(tracer_, other.tracer_);
  std::swap(span_, other.span_);
  return *this;
}

RequestTrace::~RequestTrace() {
  if (!span_) return;
  span_->fail("client_gone");
  tracer_->end(*std::move(span_));
}

void RequestTrace::finish(const Route* route, unsigned status) {
  if (!span_) return;
  Span span = *std::exchange(span_, std::nullopt);
  if (is_probe(route)) return;
  if (route != nullptr) {
    span.name.append(" ").append(route->path);
    span.set("http.route", route->path);
  }
  span.set("http.response.status_code", status);
  if (status >= 500) span.fail(std::to_string(status));
  tracer_->end(std::move(span));
}

}  // namespace millrace
