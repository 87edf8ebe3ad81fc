#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// One node of a trace, as the W3C Trace Context header carries it. Values are lower-case hex.
struct TraceContext {
  std::string trace_id;  // 32 digits
  std::string span_id;   // 16 digits
  bool sampled = true;

  std::string traceparent() const;  // "00-TRACE-SPAN-01"
};

// Empty for anything that is not a valid version-00 traceparent.
std::optional<TraceContext> parse_traceparent(std::string_view header);

TraceContext new_trace();
// Same trace, fresh span. With an invalid or empty `traceparent`: a new trace.
TraceContext child_of(std::string_view traceparent);

// What log lines carry: the trace id in a valid `traceparent`, else nothing.
std::string_view trace_id_of(std::string_view traceparent);

}  // namespace millrace
