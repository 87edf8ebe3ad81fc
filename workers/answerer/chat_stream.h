#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/http_client.h"
#include "common/json.h"
#include "schemas/answer.h"

namespace millrace {

// The beginning of what a server says, for a message: valid UTF-8 without control characters.
std::string one_line(std::string_view text);

// Reads the body of a chat completion: a text/event-stream of chunks, or, from servers that do not
// stream, one JSON object. Hostile: a chunk that cannot be read ends it with a failure.
class ChatStream {
 public:
  using TextHandler = std::function<bool(std::string_view text)>;  // false: stop
  explicit ChatStream(TextHandler on_text);

  bool feed(std::string_view piece);  // false: nothing after it matters
  // After the last piece: reads the whole body as one JSON object where no event came.
  void finish();

  const std::string& text() const { return text_; }
  bool complete() const { return complete_; }  // the server said that it was at the end
  bool stopped() const { return stopped_; }    // the handler said so
  const std::string& failure() const { return failure_; }
  Usage usage() const { return usage_; }
  const std::string& model() const { return model_; }
  // What a JSON body says went wrong, bounded and on one line; else its beginning.
  std::string error_message() const;

 private:
  bool event(const ServerSentEvent& event);
  bool chunk(json::Value root);
  void read_usage(json::Value usage);
  bool append(json::Value content);
  bool fail(std::string message);

  TextHandler on_text_;
  EventStreamParser parser_;
  std::string head_;  // of the body, as it came
  std::string text_;
  std::string failure_;
  std::string model_;
  Usage usage_;
  bool complete_ = false;
  bool stopped_ = false;
  bool events_ = false;
};

}  // namespace millrace
