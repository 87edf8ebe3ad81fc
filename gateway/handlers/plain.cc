#include "gateway/handlers/plain.h"

#include <map>

#include "gateway/document_json.h"
#include "gateway/handlers/collections.h"
#include "gateway/handlers/fields.h"
#include "gateway/handlers/finished_query.h"
#include "gateway/multipart.h"
#include "gateway/server_timing.h"
#include "gateway/upload.h"

namespace millrace {
namespace {

constexpr std::size_t kPdfMagicWithin = 1'024;  // where readers look for "%PDF-"
constexpr std::size_t kUploadPartsMax = 16;
constexpr std::chrono::milliseconds kIndexWait{120'000};

void write_page(json::Writer& out, std::int32_t page) {
  if (page > 0) {
    out.field("page", page);
  } else {
    out.key("page").null();
  }
}

std::string answer_json(const FinishedQuery& finished) {
  std::map<std::string, std::int32_t> cited;  // chunk id: number
  for (const Citation& citation : finished.answer.citations) {
    cited.emplace(citation.chunk_id, citation.number);
  }
  json::Writer out;
  out.begin_object().field("answer", finished.answer.text).key("sources").begin_array();
  for (const Passage& passage : finished.passages) {
    out.begin_object().field("document", passage.document_id).field("title", passage.title);
    write_page(out, passage.page);
    out.field("text", passage.text).field("score", passage.score);
    const auto citation = cited.find(passage.chunk_id);
    if (citation == cited.end()) {
      out.key("citation").null();
    } else {
      out.field("citation", citation->second);
    }
    out.end_object();
  }
  out.end_array()
      .field("confidence", finished.answer.confidence)
      .field("model", finished.answer.model)
      .field("generation_time", static_cast<double>(finished.answer.took_ms) / 1000.0)
      .field("query_id", finished.query_id)
      .end_object();
  return out.take();
}

// {"documents":[…]} | {"texts":[…]} | {"text":…}
Reply<std::vector<NewDocument>> read_index_request(const Request& request,
                                                   const Services& services) {
  const auto body = parse_json_body(request);
  if (!body) return body.error();
  std::string text;
  std::vector<std::string> texts;
  json::ObjectReader in{body->root(), "request"};
  const bool has_text = in.optional("text", text);
  const bool has_texts = in.optional("texts", texts);
  const json::Value array = in.optional_array("documents");
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (int{has_text} + int{has_texts} + int{array.exists()} != 1) {
    return bad_request("send one of \"documents\", \"texts\" and \"text\"");
  }
  if (has_text) texts.push_back(std::move(text));
  const std::size_t count = array.exists() ? array.size() : texts.size();
  if (count == 0) return bad_request("there is no document in the request");
  if (count > services.options.documents_per_request_max) {
    return bad_request("one request takes at most " +
                       std::to_string(services.options.documents_per_request_max) + " documents");
  }
  std::vector<NewDocument> documents;
  for (std::size_t i = 0; array.exists() && i < array.size(); ++i) {
    auto document = parse_document(array[i], "documents[" + std::to_string(i) + "]");
    if (!document) return document.error();
    documents.push_back(std::move(*document));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) return bad_field("texts[" + std::to_string(i) + "]", "is empty");
    NewDocument document;
    document.media_type = "text/plain";
    document.content = std::move(texts[i]);
    documents.push_back(std::move(document));
  }
  return documents;
}

Reply<NewDocument> read_pdf(const Request& request) {
  const auto parts = parse_multipart(request.field("content-type"), request.body, kUploadPartsMax);
  if (!parts) return parts.error();
  for (const FormPart& part : *parts) {
    if (part.name != "file") continue;
    if (part.content.empty()) return bad_field("file", "is empty");
    if (part.content.substr(0, kPdfMagicWithin).find("%PDF-") == std::string_view::npos) {
      Problem problem = bad_field(
          "file", "is not a PDF; POST /v1/collections/default/documents takes other types");
      problem.status = 415;
      return problem;
    }
    const auto slash = part.file_name.find_last_of("/\\");
    NewDocument document;
    document.name = slash == std::string::npos ? part.file_name : part.file_name.substr(slash + 1);
    document.media_type = "application/pdf";
    document.content = part.content;
    return document;
  }
  return bad_field("file", "is missing: send the PDF as the form's file field \"file\"");
}

}  // namespace

net::awaitable<Response> plain_ask(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  QuestionFields fields;
  fields.query.collection = kDefaultCollection;
  json::ObjectReader in{body->root(), "request"};
  in.required("question", fields.query.question);
  read_question_options(in, services, fields);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (auto wrong = check_question(services, "question", fields)) {
    co_return Response{std::move(*wrong)};
  }
  const auto finished = co_await services.queries.answer(request.caller, std::move(fields.query));
  if (!finished) co_return Response{finished.error()};
  if (!finished->completed) co_return Response{failed_query(*finished)};
  co_return Response{200, answer_json(*finished)};
}

net::awaitable<Response> plain_search(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  QuestionFields fields;
  fields.query.collection = kDefaultCollection;
  json::ObjectReader in{body->root(), "request"};
  const bool has_question = in.optional("question", fields.query.question);
  const bool has_query = in.optional("query", fields.query.question);
  read_question_options(in, services, fields);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (has_question == has_query) {
    co_return Response{bad_field("question", "send either \"question\" or \"query\"")};
  }
  if (auto wrong = check_question(services, has_query ? "query" : "question", fields)) {
    co_return Response{std::move(*wrong)};
  }
  const auto found = co_await services.queries.search(request.caller, std::move(fields.query));
  if (!found) co_return Response{found.error()};
  json::Writer out;
  out.begin_object().key("results").begin_array();
  for (const Passage& passage : found->passages) {
    out.begin_object()
        .field("text", passage.text)
        .field("score", passage.score)
        .field("document_id", passage.document_id)
        .field("title", passage.title);
    write_page(out, passage.page);
    out.key("metadata").raw(passage.metadata.empty() ? "{}" : passage.metadata);
    out.end_object();
  }
  out.end_array()
      .field("total", static_cast<std::int64_t>(found->passages.size()))
      .field("took_ms", static_cast<double>(found->took_us) / 1000.0)
      .end_object();
  Response response{200, out.take()};
  response.fields.emplace_back("Server-Timing", server_timing(*found));
  co_return response;
}

net::awaitable<Response> plain_index(const Request& request, Services& services) {
  const auto wait = flag_argument(request, "wait");
  if (!wait) co_return Response{wait.error()};
  auto documents = read_index_request(request, services);
  if (!documents) co_return Response{documents.error()};
  const std::string collection{kDefaultCollection};
  const auto accepted =
      co_await services.documents.accept(request.caller, collection, std::move(*documents));
  if (!accepted) co_return Response{accepted.error()};
  bool settled = false;
  if (*wait) {
    const auto waited =
        co_await services.documents.settled(request.caller, collection, *accepted, kIndexWait);
    if (!waited) co_return Response{waited.error()};
    settled = *waited;
  }
  json::Writer out;
  out.begin_object()
      .field("status", settled ? "indexed" : "accepted")
      .field("indexed", static_cast<std::int64_t>(accepted->size()))
      .key("ids")
      .begin_array();
  for (const AcceptedDocument& document : *accepted) out.value(document.id);
  out.end_array().end_object();
  co_return Response{settled ? 200U : 202U, out.take()};
}

net::awaitable<Response> plain_upload_pdf(const Request& request, Services& services) {
  auto document = read_pdf(request);
  if (!document) co_return Response{document.error()};
  const std::string collection{kDefaultCollection};
  const std::string file_name = document->name;
  std::vector<NewDocument> documents;
  documents.push_back(std::move(*document));
  const auto accepted =
      co_await services.documents.accept(request.caller, collection, std::move(documents));
  if (!accepted) co_return Response{accepted.error()};
  const AcceptedDocument& first = accepted->front();
  json::Writer out;
  out.begin_object()
      .field("status", "accepted")
      .field("filename", file_name)
      .field("document_id", first.id)
      .field("status_url", status_url(collection, first.id))
      .end_object();
  co_return Response{202, out.take()};
}

net::awaitable<Response> plain_stats(const Request& request, Services& services) {
  const CollectionCounts counts =
      co_await services.documents.counts(request.caller, std::string{kDefaultCollection});
  const auto answering = services.collections.get(std::string{kDefaultCollection});
  const int generation = answering ? answering->generation : 1;
  const auto index = co_await services.collections.index(request.caller, generation);
  const auto collections = co_await services.collections.list(request.caller);
  json::Writer out;
  out.begin_object()
      .field("documents", counts.documents)
      .field("chunks", counts.chunks)
      .field("pending", counts.pending)
      .field("failed", counts.failed)
      .field("collections", static_cast<std::int64_t>(collections.size()))
      .field("queries", services.queries.accepted())
      .field("model", services.queries.model())
      .field("ready", services.readiness.ready())
      .field("version", MILLRACE_VERSION);
  if (index) write_index(out, *index, index->all);
  out.end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> plain_clear(const Request& request, Services& services) {
  const auto removed =
      co_await services.documents.clear(request.caller, std::string{kDefaultCollection});
  if (!removed) co_return Response{removed.error()};
  json::Writer out;
  out.begin_object().field("status", "cleared").field("documents", *removed).end_object();
  co_return Response{200, out.take()};
}

}  // namespace millrace
