#pragma once

#include <optional>
#include <string_view>

#include "gateway/session.h"
#include "gateway/target.h"

namespace millrace {

// A request's head, before its body is read.
struct RequestHead {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::size_t hosts = 0;                                    // Host fields
  bool http_1_1 = true;
  bool has_body = false;
  std::optional<std::uint64_t> content_length;
  std::string traceparent;  // of the request's own span
};

// A request that may go on to its handler once its body is there.
struct Admitted {
  const Route* route = nullptr;
  Request request;
  bool head_only = false;
  std::size_t body_bytes_max = 0;
};

// Everything that can be refused by the head alone: host, target, route, credentials, role,
// collection, query parameters, length. `route` is set as soon as it is known, for the metrics.
Reply<Admitted> admit(RequestHead head, const SessionShared& shared, const Route*& route);

// The client's X-Request-Id where it is a plain word, else a new one.
std::string request_id(const RequestHead& head, const Clock& clock);

}  // namespace millrace
