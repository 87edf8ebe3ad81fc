#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/tracer.h"
#include "gateway/admission.h"

namespace millrace {

// The span of one HTTP request, from its head to the last byte of its answer or stream. Probes and
// pages, which are open to everybody, have none. For the session's strand.
class RequestTrace {
 public:
  RequestTrace() = default;
  // Without a tracer it is a trace that nobody sees, for the records of the request. Gives the head
  // its traceparent.
  RequestTrace(const Tracer* tracer, RequestHead& head, Clock::Steady began);
  RequestTrace(RequestTrace&& other) noexcept;
  RequestTrace& operator=(RequestTrace&& other) noexcept;
  ~RequestTrace();  // unfinished: the client has gone

  void finish(const Route* route, unsigned status);

 private:
  const Tracer* tracer_ = nullptr;
  std::optional<Span> span_;
};

}  // namespace millrace
