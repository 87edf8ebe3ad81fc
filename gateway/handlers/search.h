#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// POST /v1/collections/{c}/search
net::awaitable<Response> post_search(const Request& request, Services& services);

}  // namespace millrace
