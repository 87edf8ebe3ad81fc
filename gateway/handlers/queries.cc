#include "gateway/handlers/queries.h"

#include "common/ids.h"
#include "gateway/handlers/fields.h"
#include "gateway/handlers/finished_query.h"

namespace millrace {
namespace {

constexpr std::size_t kConversationIdBytesMax = 128;

std::string query_url(const std::string& query_id) { return "/v1/queries/" + query_id; }

Reply<NewQuery> read_query(const Request& request, const Services& services) {
  const auto body = parse_json_body(request);
  if (!body) return body.error();
  QuestionFields fields;
  std::string conversation_id;
  fields.query.collection = request.param("c");
  json::ObjectReader in{body->root(), "query"};
  in.required("question", fields.query.question);
  read_question_options(in, services, fields);
  in.optional("explain", fields.query.explain);
  in.optional("origin", fields.origin);
  in.optional("conversation_id", conversation_id);
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (conversation_id.size() > kConversationIdBytesMax) {
    return bad_field("conversation_id", "is longer than 128 bytes");
  }
  if (auto wrong = check_question(services, "question", fields)) return std::move(*wrong);
  return std::move(fields.query);
}

std::string accepted_json(const std::string& query_id) {
  json::Writer out;
  out.begin_object()
      .field("id", query_id)
      .field("status_url", query_url(query_id))
      .field("events_url", query_url(query_id) + "/events")
      .end_object();
  return out.take();
}

net::awaitable<Response> answer_at_once(const Request& request, Services& services,
                                        NewQuery query) {
  const auto finished = co_await services.queries.answer(request.caller, std::move(query));
  if (!finished) co_return Response{finished.error()};
  if (!finished->completed) co_return Response{failed_query(*finished)};
  json::Writer out;
  out.begin_object().field("id", finished->query_id).field("state", "completed");
  write_members(out, finished->answer);
  out.key("passages").begin_array();
  for (const Passage& passage : finished->passages) write_json(out, passage);
  out.end_array().end_object();
  co_return Response{200, out.take()};
}

std::string transcript_json(const std::string& query_id, const Transcript& transcript) {
  json::Writer out;
  out.begin_object()
      .field("id", query_id)
      .field("state", transcript.outcome)
      .field("collection", transcript.query.collection)
      .field("question", transcript.query.question)
      .field("asked_at", format_time(transcript.query.asked_at))
      .field("finished_at", format_time(transcript.finished_at));
  if (!transcript.message.empty()) out.field("message", transcript.message);
  if (transcript.outcome == "completed") write_members(out, transcript.answer);
  out.key("passages").begin_array();
  for (const Passage& passage : transcript.passages) write_json(out, passage);
  out.end_array().end_object();
  return out.take();
}

}  // namespace

net::awaitable<Response> post_query(const Request& request, Services& services) {
  const auto wait = flag_argument(request, "wait");
  if (!wait) co_return Response{wait.error()};
  auto query = read_query(request, services);
  if (!query) co_return Response{query.error()};
  if (*wait) co_return co_await answer_at_once(request, services, std::move(*query));
  const auto asked = co_await services.queries.ask(request.caller, std::move(*query));
  if (!asked) co_return Response{asked.error()};
  Response response{202, accepted_json(*asked)};
  if (accepts_event_stream(request)) {
    auto source = co_await services.queries.events(request.caller, *asked, "");
    if (!source) co_return Response{source.error()};
    response.status = 200;
    response.stream = std::move(*source);
  }
  response.fields.emplace_back("Location", query_url(*asked));
  co_return response;
}

net::awaitable<Response> get_query(const Request& request, Services& services) {
  const std::string& query_id = request.param("id");
  const auto state = co_await services.queries.state(request.caller, query_id);
  if (!state) co_return Response{state.error()};
  if (state->transcript) {
    co_return Response{200, transcript_json(query_id, *state->transcript)};
  }
  json::Writer out;
  out.begin_object()
      .field("id", query_id)
      .field("state", "running")
      .field("events_url", query_url(query_id) + "/events")
      .end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> delete_query(const Request& request, Services& services) {
  const auto outcome = co_await services.queries.cancel(request.caller, request.param("id"));
  if (!outcome) co_return Response{outcome.error()};
  json::Writer out;
  out.begin_object().field("id", request.param("id")).field("state", *outcome).end_object();
  co_return Response{202, out.take()};
}

net::awaitable<Response> replay_query(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  bool answer = true;
  json::ObjectReader in{body->root(), "replay"};
  in.optional("answer", answer);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  const auto replay = co_await services.replays.replay(request.caller, request.param("id"), answer);
  if (!replay) co_return Response{replay.error()};
  json::Writer out;
  write_json(out, *replay);
  co_return Response{200, out.take()};
}

net::awaitable<Response> stream_query(const Request& request, Services& services) {
  auto source =
      co_await services.queries.events(request.caller, request.param("id"), last_event_id(request));
  if (!source) co_return Response{source.error()};
  Response response;
  response.stream = std::move(*source);
  co_return response;
}

}  // namespace millrace
