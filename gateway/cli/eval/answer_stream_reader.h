#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/http_client.h"
#include "common/json.h"
#include "gateway/cli/eval/answers.h"

namespace millrace {

// Takes the events of one answer as they arrive. What the server sends is hostile: members of
// another type are as if they were not there.
class AnswerStreamReader {
 public:
  explicit AnswerStreamReader(Clock::Steady deadline);

  bool feed(std::string_view piece);  // false when no more is wanted
  bool finished() const { return finished_; }
  // The first bytes: what is wrong, where the response is no stream.
  const std::string& head() const { return head_; }
  // The answer, or why there is none. `began` is when it was asked for.
  Result<GivenAnswer> take(Clock::Steady began);

 private:
  bool on_event(const ServerSentEvent& event);
  void read_passages(json::Value passages);
  void read_completed(json::Value completed);

  const Clock::Steady deadline_;
  EventStreamParser parser_;
  std::string head_;
  GivenAnswer answer_;
  std::optional<Clock::Steady> first_token_;
  bool finished_ = false;
  std::string failure_;
};

}  // namespace millrace
