#include "workers/answerer/openai_model.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "common/http_client.h"
#include "common/http_url.h"
#include "common/json.h"
#include "workers/answerer/chat_stream.h"
#include "workers/answerer/cited_text.h"
#include "workers/answerer/evidence.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

constexpr int kCallsMax = 3;
constexpr std::chrono::milliseconds kRetryAfterMax{10'000};
// An answer of the largest size, each of its tokens in a chunk of some hundred bytes.
constexpr std::size_t kResponseBytesMax = 64U << 20U;

OpenAiOptions without_slash(OpenAiOptions options) {
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  return options;
}

bool is_overload(unsigned status) { return status == 408 || status == 429 || status >= 500; }

// Retry-After in seconds (RFC 9110, section 10.2.3); dates are passed over.
std::optional<std::chrono::milliseconds> retry_after(const HttpResponse& response) {
  const auto header = response.headers.find("retry-after");
  if (header == response.headers.end()) return std::nullopt;
  const std::string& text = header->second;
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::min<std::chrono::milliseconds>(std::chrono::seconds{seconds}, kRetryAfterMax);
}

AnswerDraft refusal(const std::string& model) {
  AnswerDraft draft;
  draft.text = kRefusal;
  draft.refused = true;
  draft.needs_human_review = true;
  draft.model = model;
  return draft;
}

bool is_refusal(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  return text.substr(0, kRefusal.size()) == kRefusal;
}

// Counts the time to the first delta, which the conventions want in seconds.
struct FirstDelta {
  Clock::Steady began = system_clock().now();
  std::optional<double> seconds;

  void arrived() {
    if (seconds) return;
    seconds = std::chrono::duration<double>(system_clock().now() - began).count();
  }
};

AnswerDraft draft_of(const ChatStream& stream, const AnswerTask& task, const std::string& model) {
  AnswerDraft draft;
  draft.text = stream.text();
  draft.model = stream.model().empty() ? model : stream.model();
  draft.usage = stream.usage();
  CitedText cited = resolve_citations(draft.text, task.passages);
  draft.confidence = confidence_of(cited);
  draft.refused = cited.citations.empty() && is_refusal(draft.text);
  draft.needs_human_review = draft.confidence < kReviewBelow;
  draft.citations = std::move(cited.citations);
  return draft;
}

}  // namespace

// One exchange with the server.
struct OpenAiModel::Call {
  std::unique_ptr<ChatStream> stream;
  Status status;                                   // ok: the answer is whole
  std::optional<std::chrono::milliseconds> pause;  // that the server asked for
};

OpenAiModel::OpenAiModel(OpenAiOptions options, const Tracer* tracer)
    : options_{without_slash(std::move(options))}, tracer_{tracer} {}

Span OpenAiModel::begin_span(std::string_view traceparent) const {
  Span span = tracer_->start("chat " + options_.model, Span::Kind::client, traceparent);
  span.set("gen_ai.operation.name", "chat");
  span.set("gen_ai.provider.name", "openai");  // whose protocol the server speaks
  span.set("gen_ai.system", "openai");         // its name before, which many still read
  span.set("gen_ai.request.model", options_.model);
  span.set("gen_ai.request.max_tokens", options_.tokens_max);
  span.set("gen_ai.request.temperature", options_.temperature);
  span.set("gen_ai.request.stream", true);
  span.set("gen_ai.output.type", "text");
  if (const auto url = parse_http_url(options_.base_url)) {
    span.set("server.address", url->host);
    std::int64_t port = 0;
    std::from_chars(url->port.data(), url->port.data() + url->port.size(), port);
    span.set("server.port", port);
  }
  return span;
}

std::string OpenAiModel::recipe() const {
  return std::to_string(options_.prompt_bytes_max) + ' ' +
         request_body(make_prompt({}, options_.prompt_bytes_max));
}

std::string OpenAiModel::request_body(const Prompt& prompt) const {
  json::Writer out;
  out.begin_object().field("model", options_.model).field("stream", true);
  out.key("stream_options").begin_object().field("include_usage", true).end_object();
  out.field("temperature", options_.temperature).field("max_tokens", options_.tokens_max);
  out.key("messages").begin_array();
  out.begin_object().field("role", "system").field("content", prompt.system).end_object();
  out.begin_object().field("role", "user").field("content", prompt.user).end_object();
  out.end_array().end_object();
  return out.take();
}

asio::awaitable<OpenAiModel::Call> OpenAiModel::call(std::string body, std::string traceparent,
                                                     DeltaHandler on_delta) const {
  Call call;
  call.stream = std::make_unique<ChatStream>(std::move(on_delta));
  HttpRequest request;
  request.method = "POST";
  request.url = options_.base_url + "/chat/completions";
  request.headers = {{"Content-Type", "application/json"},
                     {"Accept", "text/event-stream, application/json"}};
  if (!options_.api_key.empty()) {
    request.headers.emplace("Authorization", "Bearer " + options_.api_key);
  }
  if (!traceparent.empty()) request.headers.emplace("traceparent", std::move(traceparent));
  request.body = std::move(body);
  request.connect_timeout = options_.connect_timeout;
  request.idle_timeout = options_.idle_timeout;
  request.response_bytes_max = kResponseBytesMax;
  ChatStream* stream = call.stream.get();
  const auto response = co_await http_exchange(
      std::move(request), [stream](std::string_view piece) { return stream->feed(piece); });
  if (stream->stopped()) {
    call.status = retryable("stopped");
  } else if (response && response->status != 200) {
    const std::string message =
        "HTTP status " + std::to_string(response->status) + ": " + stream->error_message();
    call.status = is_overload(response->status) ? unavailable(message) : rejected(message);
    call.pause = retry_after(*response);
  } else {
    if (response) stream->finish();
    if (!stream->failure().empty()) {
      call.status = unavailable(stream->failure());
    } else if (!stream->complete() && !response) {
      call.status = response.error();
    } else if (!stream->complete()) {
      call.status = unavailable("the stream ended before the answer did");
    }
  }
  co_return call;
}

void OpenAiModel::end_span(Span span, std::optional<double> first_delta_seconds,
                           const Result<AnswerDraft>& draft) const {
  if (first_delta_seconds) span.set("gen_ai.response.time_to_first_chunk", *first_delta_seconds);
  if (draft) {
    span.set("gen_ai.response.model", draft->model);
    span.set("gen_ai.usage.input_tokens", draft->usage.prompt_tokens);
    span.set("gen_ai.usage.output_tokens", draft->usage.completion_tokens);
  } else {
    span.fail(to_string(draft.error().kind));
  }
  tracer_->end(std::move(span));
}

// Again where it failed before its first delta because the server is down or overloaded.
asio::awaitable<Result<OpenAiModel::Call>> OpenAiModel::call_until_answered(
    std::string body, std::string traceparent, DeltaHandler on_delta) const {
  const std::string what = "chat completion of " + options_.model + " at " + options_.base_url;
  std::chrono::milliseconds pause = options_.retry_pause;
  for (int calls = 1;; ++calls) {
    Call made = co_await call(body, traceparent, on_delta);
    if (made.status) co_return Result<Call>{std::move(made)};
    const Error& error = made.status.error();
    const bool again = error.kind != Error::Kind::rejected && made.stream->text().empty() &&
                       !made.stream->stopped() && calls < kCallsMax;
    if (!again) co_return with_context(what, error);
    asio::steady_timer timer{co_await asio::this_coro::executor};
    timer.expires_after(made.pause.value_or(pause));
    const auto [code] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (code) co_return retryable(what + ": cancelled");
    pause *= 2;
  }
}

asio::awaitable<Result<AnswerDraft>> OpenAiModel::answer(AnswerTask task, DeltaHandler on_delta) {
  if (task.passages.empty()) {
    on_delta(kRefusal);
    co_return refusal(options_.model);
  }
  const std::string body = request_body(make_prompt(task, options_.prompt_bytes_max));
  std::optional<Span> span;
  if (tracer_ != nullptr) span = begin_span(task.traceparent);
  const std::string traceparent = span ? span->context.traceparent() : task.traceparent;
  FirstDelta first;
  const DeltaHandler counted = [&first, &on_delta](std::string_view text) {
    first.arrived();
    return on_delta(text);
  };
  const auto made = co_await call_until_answered(body, traceparent, counted);
  Result<AnswerDraft> draft = rejected("");
  if (made) {
    draft = draft_of(*made->stream, task, options_.model);
  } else {
    draft = made.error();
  }
  if (span) end_span(*std::move(span), first.seconds, draft);
  co_return draft;
}

}  // namespace millrace
