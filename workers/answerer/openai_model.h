#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/tracer.h"
#include "workers/answerer/language_model.h"
#include "workers/answerer/prompt.h"

namespace millrace {

struct OpenAiOptions {
  std::string base_url = "https://api.openai.com/v1";
  std::string api_key;  // sent as a bearer token, never logged; empty: none
  std::string model = "gpt-4o-mini";
  std::int64_t tokens_max = 1'024;  // of an answer
  double temperature = 0.1;
  std::size_t prompt_bytes_max = kPromptBytesMax;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds retry_pause{250};  // doubled each time; Retry-After goes before it
};

// Any server that speaks OpenAI's POST /chat/completions, streamed. A call that fails before its
// first delta because the server is down or overloaded (408, 429, 5xx) is made again at most twice,
// after a growing pause or the server's Retry-After (10 s at most). Without passages it refuses by
// itself and calls nobody. Stateless; any number of answers at once. With a tracer each has a span
// as OpenTelemetry's conventions for generative AI want it, which the server is told of.
class OpenAiModel : public LanguageModel {
 public:
  explicit OpenAiModel(OpenAiOptions options, const Tracer* tracer = nullptr);
  boost::asio::awaitable<Result<AnswerDraft>> answer(AnswerTask task,
                                                     DeltaHandler on_delta) override;
  std::string name() const override { return options_.model; }
  std::string recipe() const override;

 private:
  struct Call;
  std::string request_body(const Prompt& prompt) const;
  Span begin_span(std::string_view traceparent) const;
  void end_span(Span span, std::optional<double> first_delta_seconds,
                const Result<AnswerDraft>& draft) const;
  boost::asio::awaitable<Call> call(std::string body, std::string traceparent,
                                    DeltaHandler on_delta) const;
  boost::asio::awaitable<Result<Call>> call_until_answered(std::string body,
                                                           std::string traceparent,
                                                           DeltaHandler on_delta) const;

  const OpenAiOptions options_;
  const Tracer* const tracer_;
};

}  // namespace millrace
