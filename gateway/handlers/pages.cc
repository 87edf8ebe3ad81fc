#include "gateway/handlers/pages.h"

#include "gateway/openapi.h"
#include "gateway/web/assets.h"

namespace millrace {
namespace {

// Only what this server itself sends; nothing of it inside another site's frame.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

Response page(std::string_view content_type, std::string_view body) {
  Response response{200, std::string{body}};
  response.content_type = content_type;
  response.fields.emplace_back("Content-Security-Policy", kPagePolicy);
  response.fields.emplace_back("X-Frame-Options", "DENY");
  response.fields.emplace_back("Referrer-Policy", "no-referrer");
  response.fields.emplace_back("Cache-Control", "no-cache");
  return response;
}

Response asset(std::string_view path) {
  const auto found = find_web_asset(path);
  if (!found) return Response{not_found("there is no page \"" + std::string{path} + "\"")};
  return page(found->content_type, found->bytes);
}

}  // namespace

net::awaitable<Response> get_home(const Request&, Services&) { co_return asset("index.html"); }

net::awaitable<Response> get_web_asset(const Request& request, Services&) {
  co_return asset(request.param("file"));
}

net::awaitable<Response> get_docs(const Request&, Services&) { co_return asset("docs.html"); }

net::awaitable<Response> get_openapi(const Request&, Services&) {
  co_return page("application/yaml; charset=utf-8", openapi_yaml());
}

}  // namespace millrace
