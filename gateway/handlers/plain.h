#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// The endpoints that clients of a Python RAG service know, on the collection `default`
net::awaitable<Response> plain_ask(const Request& request, Services& services);
net::awaitable<Response> plain_search(const Request& request, Services& services);
net::awaitable<Response> plain_index(const Request& request, Services& services);
net::awaitable<Response> plain_upload_pdf(const Request& request, Services& services);
net::awaitable<Response> plain_stats(const Request& request, Services& services);
net::awaitable<Response> plain_clear(const Request& request, Services& services);

}  // namespace millrace
