#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// /health /livez /readyz /metrics
net::awaitable<Response> get_health(const Request& request, Services& services);
net::awaitable<Response> get_livez(const Request& request, Services& services);
net::awaitable<Response> get_readyz(const Request& request, Services& services);
net::awaitable<Response> get_metrics(const Request& request, Services& services);

}  // namespace millrace
