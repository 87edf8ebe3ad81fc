#include "gateway/handlers/health.h"

#include "common/json.h"

namespace millrace {

// The process answers: that is all it says, whatever else is missing.
net::awaitable<Response> get_livez(const Request&, Services&) {
  co_return Response{200, R"({"status":"ok"})"};
}

net::awaitable<Response> get_readyz(const Request&, Services& services) {
  const unsigned status = services.readiness.ready() ? 200 : 503;
  co_return Response{status, services.readiness.describe()};
}

net::awaitable<Response> get_health(const Request&, Services& services) {
  json::Writer out;
  out.begin_object().field("status", "ok").field("ready", services.readiness.ready()).end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> get_metrics(const Request&, Services& services) {
  Response response{200, services.metrics.render()};
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  co_return response;
}

}  // namespace millrace
