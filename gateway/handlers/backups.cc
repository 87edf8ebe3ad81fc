#include "gateway/handlers/backups.h"

#include "common/ids.h"

namespace millrace {
namespace {

// A backup holds the documents of every collection.
std::optional<Problem> check_caller(const Request& request) {
  if (request.caller.principal.sees_every_document()) return std::nullopt;
  Problem problem = bad_request(
      "backups are of every collection: only an admin's key without `collections` may make or see "
      "them");
  problem.status = 403;
  return problem;
}

std::string to_json(const BackupList& listed) {
  json::Writer out;
  out.begin_object();
  if (!listed.location.empty()) out.field("location", listed.location);
  if (listed.running) {
    out.key("running")
        .begin_object()
        .field("name", listed.running->name)
        .field("topic", listed.running->topic)
        .field("records", listed.running->records)
        .field("bytes", listed.running->bytes)
        .end_object();
  }
  if (listed.failed) {
    out.key("failed")
        .begin_object()
        .field("name", listed.failed->name)
        .field("error", listed.failed->error)
        .end_object();
  }
  out.key("backups").begin_array();
  for (const StoredBackup& each : listed.backups) {
    out.begin_object()
        .field("name", each.name)
        .field("began_at", format_time(backup_time(each.name)))
        .field("state", each.whole ? "whole" : "unfinished")
        .field("bytes", each.bytes)
        .end_object();
  }
  out.end_array().end_object();
  return out.take();
}

}  // namespace

net::awaitable<Response> post_backup(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto begun = services.backups.begin();
  if (!begun) co_return Response{begun.error()};
  json::Writer out;
  out.begin_object().field("name", *begun).field("state", "running").end_object();
  Response response{202, out.take()};
  response.fields.emplace_back("Location", "/v1/backups");
  co_return response;
}

net::awaitable<Response> get_backups(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto listed = co_await services.backups.list();
  if (!listed) co_return Response{listed.error()};
  co_return Response{200, to_json(*listed)};
}

}  // namespace millrace
