#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/span.h"

namespace millrace {

// Begins spans and hands them on when they end. Borrowed as a pointer, null where nobody wants
// traces: then no span is made at all. Thread-safe.
class Tracer {
 public:
  // `clock` and `sink` outlive it. `sample_ratio`: of the traces that begin here, from 0 to 1.
  Tracer(const Clock& clock, SpanSink& sink, double sample_ratio);

  // Below the span that `traceparent` names, and exported if that is; without a valid one it is the
  // first of a trace. Every process makes the same choice for a trace and a ratio.
  Span start(std::string name, Span::Kind kind, std::string_view traceparent) const {
    return start(std::move(name), kind, traceparent, clock_.now());
  }
  Span start(std::string name, Span::Kind kind, std::string_view traceparent,
             Clock::Steady began) const;
  void end(Span span) const;

 private:
  std::int64_t unix_ns(Clock::Steady at) const;

  const Clock& clock_;
  SpanSink& sink_;
  const double sample_ratio_;
  // What makes a wall clock of the steady one, whose nanoseconds order the spans of a process.
  mutable std::atomic<std::int64_t> wall_ahead_ns_;
};

}  // namespace millrace
