#include <utility>

#include "common/http_client.h"

namespace millrace {

EventStreamParser::EventStreamParser(Handler handler, std::size_t line_bytes_max)
    : handler_{std::move(handler)}, line_bytes_max_{line_bytes_max} {}

bool EventStreamParser::feed(std::string_view piece) {
  while (!stopped_ && !piece.empty()) {
    if (std::exchange(skip_newline_, false) && piece.front() == '\n') {
      piece.remove_prefix(1);  // the second half of a CRLF
      continue;
    }
    const std::size_t end = piece.find_first_of("\r\n");
    const std::string_view part = piece.substr(0, end);
    if (buffer_.size() + part.size() > line_bytes_max_) {
      stopped_ = true;
      break;
    }
    if (end == std::string_view::npos) {
      buffer_ += part;
      break;
    }
    skip_newline_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    if (buffer_.empty()) {
      stopped_ = !line(part);
    } else {
      buffer_ += part;
      stopped_ = !line(buffer_);
      buffer_.clear();
    }
  }
  return !stopped_;
}

// One line without its end. False when the handler stops, or the event grows too large.
bool EventStreamParser::line(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (std::exchange(first_line_, false) && text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  if (text.empty()) {
    ServerSentEvent event = std::exchange(event_, {});
    if (!std::exchange(has_data_, false)) return true;  // an event without data is none
    event.id = last_id_;
    if (event.event.empty()) event.event = "message";
    return handler_(event);
  }
  const std::size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);
  std::string_view value =
      colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (event_.data.size() + value.size() >= line_bytes_max_) return false;
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
  } else if (field == "event") {
    event_.event = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    last_id_ = value;
  }
  return true;  // comments, "retry" and unknown fields mean nothing to us
}

}  // namespace millrace
