#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// /v1/collections/{c}/documents, one document, its text, progress streams
net::awaitable<Response> post_documents(const Request& request, Services& services);
net::awaitable<Response> list_documents(const Request& request, Services& services);
net::awaitable<Response> get_document(const Request& request, Services& services);
net::awaitable<Response> put_document(const Request& request, Services& services);
net::awaitable<Response> delete_document(const Request& request, Services& services);
net::awaitable<Response> stream_document(const Request& request, Services& services);
net::awaitable<Response> stream_collection(const Request& request, Services& services);
net::awaitable<Response> get_document_text(const Request& request, Services& services);

}  // namespace millrace
