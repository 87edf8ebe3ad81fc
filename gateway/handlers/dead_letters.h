#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// /v1/dead-letters, one of them, its bytes; redrive and purge, of one or of many
net::awaitable<Response> list_dead_letters(const Request& request, Services& services);
net::awaitable<Response> get_dead_letter(const Request& request, Services& services);
net::awaitable<Response> get_dead_letter_bytes(const Request& request, Services& services);
net::awaitable<Response> redrive_dead_letter(const Request& request, Services& services);
net::awaitable<Response> redrive_dead_letters(const Request& request, Services& services);
net::awaitable<Response> purge_dead_letter(const Request& request, Services& services);
net::awaitable<Response> purge_dead_letters(const Request& request, Services& services);

}  // namespace millrace
