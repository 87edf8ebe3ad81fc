#pragma once

#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// /v1/backups: begin one, list them
net::awaitable<Response> post_backup(const Request& request, Services& services);
net::awaitable<Response> get_backups(const Request& request, Services& services);

}  // namespace millrace
