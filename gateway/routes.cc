#include "gateway/routes.h"

#include <algorithm>

#include "gateway/handlers/backups.h"
#include "gateway/handlers/collections.h"
#include "gateway/handlers/dead_letters.h"
#include "gateway/handlers/documents.h"
#include "gateway/handlers/erasures.h"
#include "gateway/handlers/generations.h"
#include "gateway/handlers/health.h"
#include "gateway/handlers/pages.h"
#include "gateway/handlers/plain.h"
#include "gateway/handlers/queries.h"
#include "gateway/handlers/search.h"

namespace millrace {
namespace {

constexpr std::optional<Role> kOpen = std::nullopt;
constexpr auto kNone = Route::Body::none;
constexpr auto kAny = Route::Body::any;
constexpr auto kJson = Route::Body::json;
constexpr auto kUpload = Route::Body::upload;
constexpr std::string_view kDefault = kDefaultCollection;

// clang-format off
constexpr Route kRoutes[] = {
    {Verb::get,    "/v1/collections", &list_collections, Role::reader},
    {Verb::get,    "/v1/collections/{c}", &get_collection, Role::reader},
    {Verb::put,    "/v1/collections/{c}", &put_collection, Role::admin, kJson},
    {Verb::remove, "/v1/collections/{c}", &delete_collection, Role::admin},
    {Verb::get,    "/v1/collections/{c}/events", &stream_collection, Role::reader, kNone, "last_event_id"},
    {Verb::post,   "/v1/collections/{c}/documents", &post_documents, Role::writer, kUpload, "name,id,title"},
    {Verb::get,    "/v1/collections/{c}/documents", &list_documents, Role::reader, kNone, "limit,after,state"},
    {Verb::get,    "/v1/collections/{c}/documents/{id}", &get_document, Role::reader},
    {Verb::put,    "/v1/collections/{c}/documents/{id}", &put_document, Role::writer, kUpload, "name,title"},
    {Verb::remove, "/v1/collections/{c}/documents/{id}", &delete_document, Role::writer},
    {Verb::get,    "/v1/collections/{c}/documents/{id}/events", &stream_document, Role::reader, kNone, "last_event_id"},
    {Verb::get,    "/v1/collections/{c}/documents/{id}/text", &get_document_text, Role::reader, kNone, "revision,start,end,context"},
    {Verb::post,   "/v1/collections/{c}/erasure-check", &post_erasure_check, Role::admin, kJson},
    {Verb::post,   "/v1/collections/{c}/reindex", &post_reindex, Role::admin, kJson},
    {Verb::get,    "/v1/collections/{c}/generations", &list_generations, Role::admin},
    {Verb::get,    "/v1/collections/{c}/generations/{n}/events", &stream_generation, Role::admin},
    {Verb::post,   "/v1/collections/{c}/generations/{n}/serve", &serve_generation, Role::admin, kJson},
    {Verb::post,   "/v1/collections/{c}/generations/{n}/pause", &pause_generation, Role::admin, kAny},
    {Verb::post,   "/v1/collections/{c}/generations/{n}/resume", &resume_generation, Role::admin, kAny},
    {Verb::post,   "/v1/collections/{c}/generations/{n}/shadow", &shadow_generation, Role::admin, kJson},
    {Verb::remove, "/v1/collections/{c}/generations/{n}", &delete_generation, Role::admin},
    {Verb::post,   "/v1/collections/{c}/search", &post_search, Role::reader, kJson},
    {Verb::post,   "/v1/collections/{c}/queries", &post_query, Role::reader, kJson, "wait"},
    {Verb::get,    "/v1/queries/{id}", &get_query, Role::reader},
    {Verb::remove, "/v1/queries/{id}", &delete_query, Role::reader},
    {Verb::post,   "/v1/queries/{id}/replay", &replay_query, Role::reader, kJson},
    {Verb::get,    "/v1/queries/{id}/events", &stream_query, Role::reader, kNone, "last_event_id"},
    {Verb::get,    "/v1/dead-letters", &list_dead_letters, Role::admin, kNone, "stage,topic,kind,state,collection,document,after,before,limit,cursor"},
    {Verb::post,   "/v1/dead-letters/redrive", &redrive_dead_letters, Role::admin, kJson},
    {Verb::post,   "/v1/dead-letters/purge", &purge_dead_letters, Role::admin, kJson},
    {Verb::get,    "/v1/dead-letters/{id}", &get_dead_letter, Role::admin},
    {Verb::remove, "/v1/dead-letters/{id}", &purge_dead_letter, Role::admin},
    {Verb::get,    "/v1/dead-letters/{id}/bytes", &get_dead_letter_bytes, Role::admin},
    {Verb::post,   "/v1/dead-letters/{id}/redrive", &redrive_dead_letter, Role::admin, kAny},
    {Verb::post,   "/v1/backups", &post_backup, Role::admin, kAny},
    {Verb::get,    "/v1/backups", &get_backups, Role::admin},
    {Verb::post,   "/ask", &plain_ask, Role::reader, kJson, "", kDefault},
    {Verb::post,   "/search", &plain_search, Role::reader, kJson, "", kDefault},
    {Verb::post,   "/index", &plain_index, Role::writer, kUpload, "wait", kDefault},
    {Verb::post,   "/upload_pdf", &plain_upload_pdf, Role::writer, kUpload, "", kDefault},
    {Verb::get,    "/stats", &plain_stats, Role::reader, kNone, "", kDefault},
    {Verb::post,   "/clear", &plain_clear, Role::admin, kAny, "", kDefault},
    {Verb::remove, "/clear", &plain_clear, Role::admin, kAny, "", kDefault},
    {Verb::get,    "/health", &get_health, kOpen},
    {Verb::get,    "/livez", &get_livez, kOpen},
    {Verb::get,    "/readyz", &get_readyz, kOpen},
    {Verb::get,    "/metrics", &get_metrics, Role::admin},
    {Verb::get,    "/docs", &get_docs, kOpen},
    {Verb::get,    "/openapi.yaml", &get_openapi, kOpen},
    {Verb::get,    "/", &get_home, kOpen},
    {Verb::get,    "/web/{file}", &get_web_asset, kOpen},
};
// clang-format on

std::string_view take_segment(std::string_view& pattern) {
  const auto slash = pattern.find('/');
  const std::string_view segment = pattern.substr(0, slash);
  pattern = slash == std::string_view::npos ? std::string_view{} : pattern.substr(slash + 1);
  return segment;
}

bool match_path(std::string_view pattern, const std::vector<std::string>& segments,
                std::map<std::string, std::string, std::less<>>& params) {
  params.clear();
  pattern.remove_prefix(1);
  const auto wanted = std::count(pattern.begin(), pattern.end(), '/') + 1;
  if (static_cast<std::size_t>(wanted) != segments.size()) return false;
  for (const std::string& segment : segments) {
    const std::string_view expected = take_segment(pattern);
    if (!expected.starts_with('{')) {
      if (segment != expected) return false;
    } else if (segment.empty()) {
      return false;
    } else {
      params.emplace(expected.substr(1, expected.size() - 2), segment);
    }
  }
  return true;
}

}  // namespace

std::span<const Route> route_table() { return kRoutes; }

RouteMatch find_route(Verb verb, const std::vector<std::string>& segments) {
  RouteMatch match;
  for (const Route& route : kRoutes) {
    std::map<std::string, std::string, std::less<>> params;
    if (!match_path(route.path, segments, params)) continue;
    match.allowed.push_back(route.verb);
    if (route.verb != verb) continue;
    match.route = &route;
    match.params = std::move(params);
  }
  return match;
}

bool knows_argument(const Route& route, std::string_view name) {
  std::string_view rest = route.arguments;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma) == name) return true;
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return false;
}

}  // namespace millrace
