#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace millrace {

// An absolute http or https URL, as far as a client needs its parts.
struct HttpUrl {
  bool tls = false;
  std::string host;    // without the brackets of an IPv6 address
  std::string port;    // 1 to 65535; 80 or 443 when the URL has none
  std::string target;  // path and query, at least "/"

  std::string host_header() const;  // with port where it is not the scheme's own
  std::string shown() const;  // for messages and logs: without the query, which may hold secrets
};

// url = ("http" | "https") "://" host [":" port] ["/" path] ["?" query], printable ASCII, no user,
// no fragment. `rejected` otherwise, without repeating the query.
Result<HttpUrl> parse_http_url(std::string_view url);

}  // namespace millrace
