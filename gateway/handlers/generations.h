#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// POST /v1/collections/{c}/reindex
net::awaitable<Response> post_reindex(const Request& request, Services& services);
// GET /v1/collections/{c}/generations; POST …/{n}/serve, /pause, /resume; DELETE …/{n}
net::awaitable<Response> list_generations(const Request& request, Services& services);
// GET …/{n}/events
net::awaitable<Response> stream_generation(const Request& request, Services& services);
net::awaitable<Response> shadow_generation(const Request& request, Services& services);
net::awaitable<Response> serve_generation(const Request& request, Services& services);
net::awaitable<Response> pause_generation(const Request& request, Services& services);
net::awaitable<Response> resume_generation(const Request& request, Services& services);
net::awaitable<Response> delete_generation(const Request& request, Services& services);

}  // namespace millrace
