#include "gateway/handlers/generations.h"

#include <charconv>

#include "common/config.h"
#include "gateway/generation_events.h"
#include "gateway/generation_json.h"
#include "gateway/generations.h"
#include "gateway/handlers/fields.h"

namespace millrace {
namespace {

// Within the bounds of the process's setting of that name.
void read_setting(json::ObjectReader& in, std::string_view name, std::optional<std::int64_t>& out) {
  const Setting& setting = *find_setting(name);
  std::int64_t value = 0;
  if (in.optional(name, value, setting.min, setting.max)) out = value;
}

Response told(unsigned status, const Reply<Generation>& reply) {
  if (!reply) return Response{reply.error()};
  json::Writer out;
  write_json(out, *reply);
  return Response{status, out.take()};
}

Reply<int> number_of(const Request& request) {
  const std::string text{request.param("n")};
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1) {
    return bad_request("\"" + text + "\" is no number of a generation: they are 1, 2, …");
  }
  return number;
}

// Where what it takes to read a comparison ends, finish() and check_shadow() are the caller's.
void read_shadow(json::ObjectReader& in, const Services& services, ShadowRequest& out) {
  const json::Value questions = in.optional_array("questions");
  if (questions.exists() && questions.size() == 0) {
    in.fail("questions is empty; leave it out to take those that people asked");
  }
  if (questions.exists() &&
      questions.size() > static_cast<std::size_t>(ReplayService::kShadowQuestionsMax)) {
    return in.fail("questions are more than " + std::to_string(ReplayService::kShadowQuestionsMax));
  }
  for (std::size_t i = 0; questions.exists() && i < questions.size(); ++i) {
    if (!questions[i].is_string()) return in.fail("questions must be strings");
    out.questions.emplace_back(questions[i].as_string());
  }
  in.optional("limit", out.limit, 1, ReplayService::kShadowQuestionsMax);
  in.optional("top_k", out.top_k, 1, services.options.top_k_max);
  in.optional("answers", out.answers);
  double share = 0;
  if (in.optional("min_overlap", share)) out.gate.min_overlap = share;
  if (in.optional("min_ndcg", share)) out.gate.min_ndcg = share;
}

std::optional<Problem> check_shadow(const Services& services, const ShadowRequest& wanted) {
  const auto is_share = [](const std::optional<double>& value) {
    return !value || (*value >= 0 && *value <= 1);
  };
  if (!is_share(wanted.gate.min_overlap))
    return bad_field("min_overlap", "must be a number from 0 to 1");
  if (!is_share(wanted.gate.min_ndcg)) return bad_field("min_ndcg", "must be a number from 0 to 1");
  if (wanted.top_k != 0 && wanted.questions.empty()) {
    return bad_field("top_k", "is of questions; those that people asked have their own");
  }
  for (const std::string& each : wanted.questions) {
    QuestionFields fields;
    fields.query.question = each;
    if (auto wrong = check_question(services, "questions", fields)) return wrong;
  }
  return std::nullopt;
}

using Turn = net::awaitable<Reply<Generation>> (GenerationService::*)(const Caller&, std::string,
                                                                      int);

net::awaitable<Response> turn(const Request& request, Services& services, Turn what) {
  const Reply<int> number = number_of(request);
  if (!number) co_return Response{number.error()};
  co_return told(
      200, co_await (services.generations.*what)(request.caller, request.param("c"), *number));
}

}  // namespace

net::awaitable<Response> post_reindex(const Request& request, Services& services) {
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  GenerationSettings settings;
  json::ObjectReader in{body->root(), "reindex"};
  read_setting(in, "chunk_tokens", settings.chunk_tokens);
  read_setting(in, "chunk_overlap_tokens", settings.chunk_overlap_tokens);
  std::string from;
  if (in.optional("from", from) && !source_from(from, settings.from)) {
    in.fail("from is " + json::quote(from) + "; known are texts, documents");
  }
  std::string model;
  if (in.optional("embedding_model", model)) settings.embedding_model = std::move(model);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (settings.chunk_overlap_tokens && !settings.chunk_tokens) {
    co_return Response{bad_field("chunk_overlap_tokens", "needs chunk_tokens beside it")};
  }
  if (settings.chunk_overlap_tokens && *settings.chunk_overlap_tokens >= *settings.chunk_tokens) {
    co_return Response{bad_field("chunk_overlap_tokens", "must be less than chunk_tokens")};
  }
  co_return told(202, co_await services.generations.build(request.caller, request.param("c"),
                                                          std::move(settings)));
}

net::awaitable<Response> list_generations(const Request& request, Services& services) {
  const auto views = co_await services.generations.list(request.caller, request.param("c"));
  if (!views) co_return Response{views.error()};
  json::Writer out;
  out.begin_object().key("generations").begin_array();
  for (const GenerationView& view : *views) write_json(out, view);
  out.end_array().end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> stream_generation(const Request& request, Services& services) {
  const Reply<int> number = number_of(request);
  if (!number) co_return Response{number.error()};
  auto view = co_await services.generations.get(request.caller, request.param("c"), *number);
  if (!view) co_return Response{view.error()};
  Response response;
  response.stream =
      std::make_unique<GenerationEvents>(services.generations, request.caller, request.param("c"),
                                         std::move(*view), co_await net::this_coro::executor);
  co_return response;
}

net::awaitable<Response> serve_generation(const Request& request, Services& services) {
  const Reply<int> number = number_of(request);
  if (!number) co_return Response{number.error()};
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  bool force = false;
  ShadowRequest shadow;
  shadow.collection = request.param("c");
  shadow.generation = *number;
  json::ObjectReader in{body->root(), "serve"};
  in.optional("force", force);
  read_shadow(in, services, shadow);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (auto wrong = check_shadow(services, shadow)) co_return Response{std::move(*wrong)};
  if (shadow.gate.any()) {
    const Reply<GenerationView> view =
        co_await services.generations.get(request.caller, shadow.collection, *number);
    if (!view) co_return Response{view.error()};
    if (view->generation.state != Generation::State::serving) {
      const auto report = co_await services.replays.shadow(request.caller, std::move(shadow));
      if (!report) co_return Response{report.error()};
      if (!report->passed()) {
        co_return Response{conflict("generation " + std::to_string(*number) +
                                    " does not pass its gate: " + failures(*report) +
                                    "; POST …/shadow shows each question")};
      }
    }
  }
  co_return told(
      200, co_await services.generations.serve(request.caller, request.param("c"), *number, force));
}

net::awaitable<Response> shadow_generation(const Request& request, Services& services) {
  const Reply<int> number = number_of(request);
  if (!number) co_return Response{number.error()};
  const auto body = parse_json_body(request);
  if (!body) co_return Response{body.error()};
  ShadowRequest wanted;
  wanted.collection = request.param("c");
  wanted.generation = *number;
  json::ObjectReader in{body->root(), "shadow"};
  read_shadow(in, services, wanted);
  if (const Status read = in.finish(); !read) co_return Response{problem_from(read.error())};
  if (auto wrong = check_shadow(services, wanted)) co_return Response{std::move(*wrong)};
  const auto report = co_await services.replays.shadow(request.caller, std::move(wanted));
  if (!report) co_return Response{report.error()};
  json::Writer out;
  write_json(out, *report);
  co_return Response{200, out.take()};
}

net::awaitable<Response> pause_generation(const Request& request, Services& services) {
  co_return co_await turn(request, services, &GenerationService::pause);
}

net::awaitable<Response> resume_generation(const Request& request, Services& services) {
  co_return co_await turn(request, services, &GenerationService::resume);
}

net::awaitable<Response> delete_generation(const Request& request, Services& services) {
  co_return co_await turn(request, services, &GenerationService::remove);
}

}  // namespace millrace
