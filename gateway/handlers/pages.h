#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// / /web/{file} /docs /openapi.yaml
net::awaitable<Response> get_home(const Request& request, Services& services);
net::awaitable<Response> get_web_asset(const Request& request, Services& services);
net::awaitable<Response> get_docs(const Request& request, Services& services);
net::awaitable<Response> get_openapi(const Request& request, Services& services);

}  // namespace millrace
