#pragma once

#include "gateway/services.h"

namespace millrace {

net::awaitable<Response> post_erasure_check(const Request& request, Services& services);

}  // namespace millrace
