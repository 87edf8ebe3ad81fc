#include "workers/answerer/chat_stream.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kLineBytesMax = 1U << 20U;
constexpr std::size_t kHeadBytesMax = 1U << 20U;
constexpr std::size_t kTextBytesMax = 1U << 20U;  // of an answer; a model that loops ends here
constexpr std::size_t kMessageBytesMax = 300;

std::string message_of(json::Value error) {
  if (error.is_string()) return one_line(error.as_string());
  const json::Value message = error.is_object() ? error.member("message") : json::Value{};
  return message.is_string() ? one_line(message.as_string()) : "an error without a message";
}

json::Value member(json::Value value, std::string_view name) {
  return value.is_object() ? value.member(name) : json::Value{};
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string out{text.substr(0, kMessageBytesMax)};
  std::replace_if(
      out.begin(), out.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x20; },
      ' ');
  while (!json::valid_utf8(out) && !out.empty()) out.pop_back();
  return out;
}

ChatStream::ChatStream(TextHandler on_text)
    : on_text_{std::move(on_text)},
      parser_{[this](const ServerSentEvent& sent) { return event(sent); }, kLineBytesMax} {}

bool ChatStream::fail(std::string message) {
  if (failure_.empty()) failure_ = std::move(message);
  return false;
}

bool ChatStream::feed(std::string_view piece) {
  if (head_.size() < kHeadBytesMax) head_ += piece.substr(0, kHeadBytesMax - head_.size());
  if (parser_.feed(piece)) return true;
  if (!complete_ && !stopped_)
    fail("the stream has a line over " + std::to_string(kLineBytesMax) + " bytes");
  return false;
}

bool ChatStream::event(const ServerSentEvent& sent) {
  events_ = true;
  if (sent.data == "[DONE]") {
    complete_ = true;
    return false;
  }
  if (sent.data.empty()) return true;
  const auto document = json::Document::parse(sent.data);
  if (!document) return fail("the stream has a chunk that is no JSON: " + document.error().message);
  return chunk(document->root());
}

bool ChatStream::chunk(json::Value root) {
  if (!root.is_object()) return fail("the stream has a chunk that is no object");
  if (const json::Value error = root.member("error"); error.exists() && !error.is_null()) {
    return fail(message_of(error));
  }
  if (const json::Value model = root.member("model"); model.is_string() && model_.empty()) {
    model_ = one_line(model.as_string());
  }
  read_usage(root.member("usage"));
  const json::Value choices = root.member("choices");
  if (!choices.is_array() || choices.size() == 0) return true;
  const json::Value choice = choices[0];
  const json::Value delta = member(choice, "delta");
  if (!append(member(delta.exists() ? delta : member(choice, "message"), "content"))) return false;
  // The usage comes after this, so it is not the end yet; but a server that now closes has
  // finished.
  if (member(choice, "finish_reason").is_string()) complete_ = true;
  return true;
}

void ChatStream::read_usage(json::Value usage) {
  const json::Value prompt = member(usage, "prompt_tokens");
  const json::Value completion = member(usage, "completion_tokens");
  if (prompt.is_integer()) usage_.prompt_tokens = std::max<std::int64_t>(prompt.as_integer(), 0);
  if (completion.is_integer()) {
    usage_.completion_tokens = std::max<std::int64_t>(completion.as_integer(), 0);
  }
}

bool ChatStream::append(json::Value content) {
  if (!content.is_string() || content.as_string().empty()) return true;
  const std::string_view piece = content.as_string();
  if (text_.size() + piece.size() > kTextBytesMax) {
    return fail("the answer is over " + std::to_string(kTextBytesMax) + " bytes");
  }
  text_ += piece;
  stopped_ = !on_text_(piece);
  return !stopped_;
}

void ChatStream::finish() {
  if (events_ || stopped_ || !failure_.empty()) return;
  const auto document = json::Document::parse(head_);
  if (!document) {
    fail("the response is neither an event stream nor JSON");
    return;
  }
  chunk(document->root());
}

std::string ChatStream::error_message() const {
  const auto document = json::Document::parse(head_);
  if (!document) return head_.empty() ? "no message" : one_line(head_);
  const json::Value error = member(document->root(), "error");
  return error.exists() ? message_of(error) : one_line(head_);
}

}  // namespace millrace
