#pragma once

#include <string>

#include "gateway/event_writer.h"

namespace millrace {

inline constexpr std::chrono::milliseconds kSseHeartbeat{15'000};
inline constexpr std::chrono::milliseconds kSseRetry{
    1'000};  // a browser's pause before it reconnects

// text/event-stream (WHATWG HTML, section 9.2).
class SseWriter final : public EventWriter {
 public:
  explicit SseWriter(ByteSink& sink) : sink_{sink} {}
  net::awaitable<bool> write(const std::vector<StreamEvent>& events) override;
  net::awaitable<bool> heartbeat() override;

 private:
  ByteSink& sink_;
  bool greeted_ = false;  // `retry:` has been sent
};

std::string format_sse(const StreamEvent& event);

}  // namespace millrace
