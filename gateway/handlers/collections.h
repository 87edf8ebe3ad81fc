#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// PUT, GET, DELETE /v1/collections/{c}; GET /v1/collections
net::awaitable<Response> list_collections(const Request& request, Services& services);
net::awaitable<Response> get_collection(const Request& request, Services& services);
net::awaitable<Response> put_collection(const Request& request, Services& services);
net::awaitable<Response> delete_collection(const Request& request, Services& services);

}  // namespace millrace
