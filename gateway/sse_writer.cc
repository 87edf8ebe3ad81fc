#include "gateway/sse_writer.h"

namespace millrace {

std::string format_sse(const StreamEvent& event) {
  std::string text;
  if (!event.id.empty()) text += "id: " + event.id + "\n";
  text += "event: " + event.name + "\n";
  // Compact JSON has no line break; one in `data` would end the field.
  text += "data: " + event.data + "\n\n";
  return text;
}

net::awaitable<bool> SseWriter::write(const std::vector<StreamEvent>& events) {
  std::string text;
  if (!greeted_) text = "retry: " + std::to_string(kSseRetry.count()) + "\n\n";
  greeted_ = true;
  for (const StreamEvent& event : events) text += format_sse(event);
  co_return co_await sink_.send(std::move(text));
}

net::awaitable<bool> SseWriter::heartbeat() { co_return co_await sink_.send(":\n\n"); }

net::awaitable<bool> pump_events(EventSource& source, EventWriter& writer,
                                 std::chrono::milliseconds heartbeat) {
  // Whatever there is at once, so that the client sees the stream open.
  bool opening = true;
  for (;;) {
    const auto wait = opening ? std::chrono::milliseconds{0} : heartbeat;
    EventSource::Batch batch = co_await source.next(wait);
    bool alive = true;
    if (!batch.events.empty() || opening) {
      alive = co_await writer.write(batch.events);
    } else if (!batch.ended) {
      alive = co_await writer.heartbeat();
    }
    opening = false;
    if (!alive) co_return false;
    if (batch.ended) co_return true;
  }
}

}  // namespace millrace
