#include "common/tracer.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace millrace {
namespace {

// The wall clock counts milliseconds here; beyond this it has been set, or has drifted.
constexpr std::int64_t kWallDriftNsMax = 5'000'000;

// Of the trace id, the digits that W3C Trace Context wants to be random.
constexpr std::size_t kRandomDigits = 14;
constexpr double kRandomRange = 72'057'594'037'927'936.0;  // 16 to the power of that

bool is_sampled(std::string_view trace_id, double ratio) {
  const std::string_view digits = trace_id.substr(trace_id.size() - kRandomDigits);
  std::uint64_t random = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), random, 16);
  return static_cast<double>(random) < ratio * kRandomRange;
}

std::int64_t ns_of(Clock::Steady at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

std::int64_t wall_ahead(const Clock& clock) {
  const std::chrono::nanoseconds wall = clock.wall_now().time_since_epoch();
  return wall.count() - ns_of(clock.now());
}

}  // namespace

Tracer::Tracer(const Clock& clock, SpanSink& sink, double sample_ratio)
    : clock_{clock}, sink_{sink}, sample_ratio_{sample_ratio}, wall_ahead_ns_{wall_ahead(clock)} {}

std::int64_t Tracer::unix_ns(Clock::Steady at) const {
  const std::int64_t ahead = wall_ahead(clock_);
  std::int64_t known = wall_ahead_ns_.load(std::memory_order_relaxed);
  if (std::abs(ahead - known) > kWallDriftNsMax) {
    wall_ahead_ns_.store(ahead, std::memory_order_relaxed);
    known = ahead;
  }
  return known + ns_of(at);
}

Span Tracer::start(std::string name, Span::Kind kind, std::string_view traceparent,
                   Clock::Steady began) const {
  Span span;
  if (auto parent = parse_traceparent(traceparent)) {
    span.parent_span_id = std::move(parent->span_id);
    span.context = child_of(traceparent);
  } else {
    span.context = new_trace();
    span.context.sampled = is_sampled(span.context.trace_id, sample_ratio_);
  }
  span.kind = kind;
  if (!span.context.sampled) return span;
  span.name = std::move(name);
  span.start_ns = unix_ns(began);
  return span;
}

void Tracer::end(Span span) const {
  if (!span.context.sampled) return;
  span.end_ns = std::max(unix_ns(clock_.now()), span.start_ns);
  sink_.add(std::move(span));
}

}  // namespace millrace
