#include "gateway/cli/eval/answer_stream_reader.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kHeadBytesMax = 65'536;

std::string text_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_string() ? std::string{value.as_string()} : std::string{};
}

bool flag_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_bool() && value.as_bool();
}

}  // namespace

AnswerStreamReader::AnswerStreamReader(Clock::Steady deadline)
    : deadline_{deadline}, parser_{[this](const ServerSentEvent& event) {
        return on_event(event);
      }} {}

bool AnswerStreamReader::feed(std::string_view piece) {
  if (head_.size() < kHeadBytesMax) head_ += piece.substr(0, kHeadBytesMax - head_.size());
  return parser_.feed(piece) && system_clock().now() < deadline_;
}

bool AnswerStreamReader::on_event(const ServerSentEvent& event) {
  const Result<json::Document> data = json::Document::parse(event.data);
  if (!data) {
    failure_ = "the server sent an event that is not JSON: " + data.error().message;
    return false;
  }
  const json::Value root = data->root();
  if (event.event == "passages") {
    read_passages(root.member("passages"));
  } else if (event.event == "delta") {
    if (!first_token_) first_token_ = system_clock().now();
  } else if (event.event == "completed") {
    read_completed(root);
    return false;
  } else if (event.event == "failed") {
    failure_ = text_of(root, "message");
    return false;
  }
  return true;
}

void AnswerStreamReader::read_passages(json::Value passages) {
  answer_.passages.clear();  // of an earlier attempt
  if (!passages.is_array()) return;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    answer_.passages.emplace(text_of(passages[i], "chunk_id"), text_of(passages[i], "text"));
  }
}

void AnswerStreamReader::read_completed(json::Value completed) {
  if (flag_of(completed, "partial")) {
    failure_ = "the server answers from a part of its index only";
    return;
  }
  finished_ = true;
  answer_.text = text_of(completed, "answer");
  answer_.refused = flag_of(completed, "refused");
  const json::Value citations = completed.member("citations");
  if (!citations.is_array()) return;
  for (std::size_t i = 0; i < citations.size(); ++i) {
    answer_.citations.push_back({text_of(citations[i], "document_id"),
                                 text_of(citations[i], "chunk_id"),
                                 text_of(citations[i], "quote")});
  }
}

Result<GivenAnswer> AnswerStreamReader::take(Clock::Steady began) {
  if (!failure_.empty()) return unavailable(failure_);
  if (!finished_) return unavailable("the stream ended before the answer did");
  if (first_token_) {
    answer_.first_token_ms =
        std::chrono::duration<double, std::milli>(*first_token_ - began).count();
  }
  return std::move(answer_);
}

}  // namespace millrace
