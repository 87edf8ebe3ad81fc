#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// POST /v1/collections/{c}/queries, /v1/queries/{id}
net::awaitable<Response> post_query(const Request& request, Services& services);
net::awaitable<Response> get_query(const Request& request, Services& services);
net::awaitable<Response> delete_query(const Request& request, Services& services);
net::awaitable<Response> replay_query(const Request& request, Services& services);
net::awaitable<Response> stream_query(const Request& request, Services& services);

}  // namespace millrace
