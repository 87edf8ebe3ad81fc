#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

using Handler = net::awaitable<Response> (*)(const Request& request, Services& services);

// One row per endpoint. The session checks everything a row says before the handler runs.
struct Route {
  enum class Body {
    none,    // a body is refused
    any,     // small, and ignored: clients of the plain endpoints send "{}" or nothing
    json,    // small JSON
    upload,  // up to body_bytes_max
  };
  Verb verb;
  std::string_view path;  // {name}: one segment; {c} is a collection
  Handler handler;
  std::optional<Role> role;  // empty: open to everybody
  Body body = Body::none;
  std::string_view arguments = {};   // query parameters it knows, comma separated
  std::string_view collection = {};  // what a plain endpoint works on, where the path has no {c}
};
std::span<const Route> route_table();

inline constexpr std::size_t kSmallBodyBytesMax = 1U << 20U;  // of `json` and `any`

struct RouteMatch {
  const Route* route = nullptr;
  std::map<std::string, std::string, std::less<>> params;
  std::vector<Verb> allowed;  // verbs of the path; empty: there is no such path
};
RouteMatch find_route(Verb verb, const std::vector<std::string>& segments);

// Whether the row knows the query parameter.
bool knows_argument(const Route& route, std::string_view name);

}  // namespace millrace
