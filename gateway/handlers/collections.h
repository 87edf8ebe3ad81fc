#pragma once

#include "common/json.h"
#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// PUT, GET, DELETE /v1/collections/{c}; GET /v1/collections
net::awaitable<Response> list_collections(const Request& request, Services& services);
net::awaitable<Response> get_collection(const Request& request, Services& services);
net::awaitable<Response> put_collection(const Request& request, Services& services);
net::awaitable<Response> delete_collection(const Request& request, Services& services);

// The member `index`: how the index stands, with documents and chunks of a part of it.
void write_index(json::Writer& out, const IndexCounts& index, const IndexedCollection& of);

}  // namespace millrace
