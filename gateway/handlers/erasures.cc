#include "gateway/handlers/erasures.h"

#include "gateway/handlers/fields.h"

namespace millrace {
namespace {

// It looks at what every collection has.
std::optional<Problem> check_caller(const Request& request) {
  if (request.caller.principal.sees_every_document()) return std::nullopt;
  Problem problem = bad_request(
      "a check looks at the documents of every collection: only an admin's key without "
      "`collections` may ask for one");
  problem.status = 403;
  return problem;
}

Reply<ErasureQuestion> question_from(const Request& request) {
  const auto body = parse_json_body(request);
  if (!body) return body.error();
  ErasureQuestion question;
  question.collection = request.param("c");
  json::ObjectReader in{body->root(), "erasure check"};
  in.required("documents", question.document_ids);
  in.optional("texts", question.texts);
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (question.document_ids.empty() ||
      question.document_ids.size() > ErasureQuestion::kDocumentsMax) {
    return bad_field("documents", "must have 1 to 1000 ids");
  }
  if (question.texts.size() > ErasureQuestion::kTextsMax) {
    return bad_field("texts", "has more than 256 texts");
  }
  for (std::size_t i = 0; i < question.texts.size(); ++i) {
    const std::size_t bytes = question.texts[i].size();
    if (bytes >= ErasureQuestion::kTextBytesMin && bytes <= ErasureQuestion::kTextBytesMax) {
      continue;
    }
    return bad_field("texts[" + std::to_string(i) + "]",
                     "must have 12 to 512 bytes: shorter ones stand everywhere");
  }
  return question;
}

std::string to_json(const ErasureAnswer& answer) {
  json::Writer out;
  out.begin_object()
      .field("clean", answer.clean())
      .field("records", answer.records)
      .field("record_bytes", answer.record_bytes)
      .field("files", answer.files)
      .field("file_bytes", answer.file_bytes)
      .field("traces_total", answer.traces_total);
  out.key("traces").begin_array();
  for (const ErasureTrace& each : answer.traces) {
    out.begin_object()
        .field("place", each.place)
        .field("at", each.at)
        .field("what", each.what)
        .end_object();
  }
  out.end_array().key("said_by_others").begin_array();
  for (const std::size_t each : answer.said_by_others) {
    out.value(static_cast<std::int64_t>(each));
  }
  out.end_array().end_object();
  return out.take();
}

}  // namespace

net::awaitable<Response> post_erasure_check(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  auto question = question_from(request);
  if (!question) co_return Response{question.error()};
  const auto answer = co_await services.erasures.check(std::move(*question));
  if (!answer) co_return Response{answer.error()};
  co_return Response{200, to_json(*answer)};
}

}  // namespace millrace
