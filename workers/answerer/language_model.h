#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "schemas/answer.h"

namespace millrace {

// What to answer, and from what. Passages are numbered from 1 in this order.
struct AnswerTask {
  std::string question;
  std::vector<Passage> passages;
  std::string traceparent = {};  // that a call of the model belongs to
};

// What a model made of it, without what gathering knows (partial, took_ms).
struct AnswerDraft {
  std::string text;
  std::vector<Citation> citations;  // resolved: spans lie in passages, quotes are their text
  double confidence = 0;
  bool refused = false;
  bool needs_human_review = false;
  std::string model;
  Usage usage;
};

// Gets each piece of the answer's text as it arrives. False: stop (cancelled).
using DeltaHandler = std::function<bool(std::string_view text)>;

// Writes answers. Many at once; coroutines of one answer run on their caller's executor.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  // The deltas, concatenated, are the draft's text. Cancelling the coroutine closes the upstream
  // call. `unavailable`: the server is down or overloaded; `rejected`: it refuses the request.
  virtual boost::asio::awaitable<Result<AnswerDraft>> answer(AnswerTask task,
                                                             DeltaHandler on_delta) = 0;
  virtual std::string name() const = 0;
  // What its answer hangs on beside the task: rules, limits, sampling. In no form but its own.
  virtual std::string recipe() const { return {}; }
};

}  // namespace millrace
