#include "gateway/handlers/search.h"

#include <algorithm>
#include <cstdio>

#include "gateway/handlers/fields.h"
#include "gateway/server_timing.h"

namespace millrace {

net::awaitable<Response> post_search(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  QuestionFields fields;
  fields.query.collection = request.param("c");
  json::ObjectReader in{body->root(), "search"};
  in.required("query", fields.query.question);
  read_question_options(in, services, fields);
  in.optional("explain", fields.query.explain);
  in.optional("origin", fields.origin);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (auto wrong = check_question(services, "query", fields)) {
    co_return Response{std::move(*wrong)};
  }
  const auto found = co_await services.queries.search(request.caller, std::move(fields.query));
  if (!found) co_return Response{found.error()};
  json::Writer out;
  out.begin_object().key("passages").begin_array();
  for (const Passage& passage : found->passages) write_json(out, passage);
  out.end_array()
      .field("partial", found->partial)
      .field("took_ms", static_cast<double>(found->took_us) / 1000.0)
      .end_object();
  Response response{200, out.take()};
  response.fields.emplace_back("Server-Timing", server_timing(*found));
  co_return response;
}

}  // namespace millrace
