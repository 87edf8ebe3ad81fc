#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "gateway/http_types.h"

namespace millrace {

// Sends a stream's events in some protocol. Each call is false once the client is gone.
class EventWriter {
 public:
  virtual ~EventWriter() = default;
  virtual net::awaitable<bool> write(const std::vector<StreamEvent>& events) = 0;
  virtual net::awaitable<bool> heartbeat() = 0;
};

// Where a writer's bytes go: the session's connection.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual net::awaitable<bool> send(std::string bytes) = 0;
};

// Moves events from the source to the writer until either ends. True when the source ended.
net::awaitable<bool> pump_events(EventSource& source, EventWriter& writer,
                                 std::chrono::milliseconds heartbeat);

}  // namespace millrace
