#include "gateway/handlers/documents.h"

#include "common/ids.h"
#include "gateway/document_json.h"
#include "gateway/handlers/fields.h"
#include "gateway/mailbox.h"
#include "gateway/text_span.h"
#include "gateway/upload.h"

namespace millrace {
namespace {

constexpr std::size_t kInlineBytesMax = 256U << 10U;  // more is parsed on the pool
constexpr std::size_t kIdempotencyKeyBytesMax = 255;
constexpr std::int64_t kListMax = 1'000;
constexpr std::int64_t kListDefault = 100;
constexpr std::int64_t kContextMax = 5'000;  // code points
constexpr std::int64_t kContextDefault = 300;

std::string accepted_json(const std::string& collection,
                          const std::vector<AcceptedDocument>& documents) {
  json::Writer out;
  out.begin_object().key("documents").begin_array();
  for (const AcceptedDocument& document : documents) {
    out.begin_object()
        .field("id", document.id)
        .field("revision", document.revision)
        .field("status_url", status_url(collection, document.id))
        .end_object();
  }
  out.end_array().end_object();
  return out.take();
}

net::awaitable<Response> accept(const Request& request, Services& services,
                                std::vector<NewDocument> documents) {
  const std::string& collection = request.param("c");
  const auto accepted =
      co_await services.documents.accept(request.caller, collection, std::move(documents));
  if (!accepted) co_return Response{accepted.error()};
  co_return Response{202, accepted_json(collection, *accepted)};
}

net::awaitable<Reply<std::vector<NewDocument>>> parsed_upload(const Request& request,
                                                              Services& services) {
  const std::size_t documents_max = services.options.documents_per_request_max;
  if (request.body.size() <= kInlineBytesMax) co_return parse_upload(request, documents_max);
  auto work = [&request, documents_max] { return parse_upload(request, documents_max); };
  co_return co_await run_blocking(services.pool, std::move(work));
}

// The answer to give without doing anything, where the key says so.
net::awaitable<std::optional<Response>> claimed(const Request& request, Services& services,
                                                std::string key) {
  using Early = std::optional<Response>;
  std::string body_sha256;
  auto work = [&request] {
    return sha256_hex(std::string{request.field("content-type")} + "\n" + request.body);
  };
  if (request.body.size() <= kInlineBytesMax) {
    body_sha256 = work();
  } else {
    body_sha256 = co_await run_blocking(services.pool, std::move(work));
  }
  const auto claim = services.idempotency.claim(key, body_sha256);
  switch (claim.verdict) {
    case IdempotencyCache::Verdict::first:
      co_return std::nullopt;
    case IdempotencyCache::Verdict::repeated:
      co_return Early{Response{202, claim.response}};
    case IdempotencyCache::Verdict::running:
      co_return Early{Response{conflict("a request with this Idempotency-Key is being worked on")}};
    case IdempotencyCache::Verdict::other_body:
      break;
  }
  Problem problem =
      bad_field("Idempotency-Key", "was used for a request with another body; use a new key");
  problem.status = 422;
  co_return Early{Response{std::move(problem)}};
}

}  // namespace

net::awaitable<Response> post_documents(const Request& request, Services& services) {
  auto documents = co_await parsed_upload(request, services);
  if (!documents) co_return Response{documents.error()};
  const std::string_view given = request.field("idempotency-key");
  if (given.empty()) co_return co_await accept(request, services, std::move(*documents));
  if (given.size() > kIdempotencyKeyBytesMax) {
    co_return Response{bad_field("Idempotency-Key", "is longer than 255 bytes")};
  }
  const std::string key =
      request.caller.principal.name + "\n" + request.param("c") + "\n" + std::string{given};
  auto answer = co_await claimed(request, services, key);
  if (answer) co_return std::move(*answer);
  Response response = co_await accept(request, services, std::move(*documents));
  if (response.status == 202) {
    services.idempotency.finish(key, response.body);
  } else {
    services.idempotency.forget(key);
  }
  co_return response;
}

net::awaitable<Response> put_document(const Request& request, Services& services) {
  auto document = parse_raw_document(request);
  if (!document) co_return Response{document.error()};
  document->id = request.param("id");
  std::vector<NewDocument> documents;
  documents.push_back(std::move(*document));
  co_return co_await accept(request, services, std::move(documents));
}

net::awaitable<Response> get_document(const Request& request, Services& services) {
  const auto status =
      co_await services.documents.status(request.caller, request.param("c"), request.param("id"));
  if (!status) co_return Response{status.error()};
  co_return Response{200, to_json(*status)};
}

net::awaitable<Response> delete_document(const Request& request, Services& services) {
  const auto removed =
      co_await services.documents.remove(request.caller, request.param("c"), request.param("id"));
  if (!removed) co_return Response{removed.error()};
  const std::vector<AcceptedDocument> documents{*removed};
  co_return Response{202, accepted_json(request.param("c"), documents)};
}

net::awaitable<Response> list_documents(const Request& request, Services& services) {
  ListDocuments wanted;
  const auto limit = integer_argument(request, "limit", kListDefault, 1, kListMax);
  if (!limit) co_return Response{limit.error()};
  wanted.limit = *limit;
  wanted.after = request.argument("after").value_or("");
  if (const auto name = request.argument("state")) {
    wanted.state.emplace();
    if (!state_from(*name, *wanted.state)) {
      co_return Response{bad_field("state",
                                   "must be one of accepted, extracted, chunked, embedded, "
                                   "indexed, deleted, failed")};
    }
  }
  const auto page =
      co_await services.documents.list(request.caller, request.param("c"), std::move(wanted));
  if (!page) co_return Response{page.error()};
  json::Writer out;
  out.begin_object().key("documents").begin_array();
  for (const DocumentStatus& status : page->documents) write_json(out, status);
  out.end_array();
  if (!page->next.empty()) out.field("next", page->next);
  out.end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> stream_document(const Request& request, Services& services) {
  auto source = co_await services.documents.document_events(
      request.caller, request.param("c"), request.param("id"), last_event_id(request));
  if (!source) co_return Response{source.error()};
  Response response;
  response.stream = std::move(*source);
  co_return response;
}

net::awaitable<Response> stream_collection(const Request& request, Services& services) {
  auto source = co_await services.documents.collection_events(request.caller, request.param("c"),
                                                              last_event_id(request));
  if (!source) co_return Response{source.error()};
  Response response;
  response.stream = std::move(*source);
  co_return response;
}

net::awaitable<Response> get_document_text(const Request& request, Services& services) {
  TextRequest wanted;
  wanted.collection = request.param("c");
  wanted.document_id = request.param("id");
  wanted.revision = request.argument("revision").value_or("");
  const auto start = integer_argument(request, "start", 0, 0, INT32_MAX);
  if (!start) co_return Response{start.error()};
  const auto end = integer_argument(request, "end", -1, *start, INT32_MAX);
  if (!end) co_return Response{end.error()};
  const auto context = integer_argument(request, "context", kContextDefault, 0, kContextMax);
  if (!context) co_return Response{context.error()};
  wanted.start = *start;
  wanted.end = *end;
  wanted.context = *context;
  const auto span = co_await services.documents.text(request.caller, std::move(wanted));
  if (!span) co_return Response{span.error()};
  json::Writer out;
  out.begin_object()
      .field("document_id", span->document.document_id)
      .field("revision", span->document.revision)
      .field("title", span->document.title)
      .field("name", span->document.name);
  if (span->page > 0) out.field("page", span->page);
  out.field("pages", span->pages)
      .field("start", span->start)
      .field("end", span->end)
      .field("characters", span->characters)
      .field("before", span->before)
      .field("text", span->text)
      .field("after", span->after)
      .end_object();
  co_return Response{200, out.take()};
}

}  // namespace millrace
