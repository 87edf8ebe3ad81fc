#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "gateway/cli/eval/answers.h"

namespace millrace {

// A language model that says how much of an answer its sources support.
struct Judge {
  std::string url;    // of an OpenAI-compatible server, up to and with /v1
  std::string model;  // empty: no judge
  std::string api_key;
};

// The body of POST /chat/completions: the answer and what it cites go as JSON strings, apart from
// the instructions, since both may hold instructions of their own.
std::string judge_request(const std::string& model, const GivenAnswer& answer);

// Supported statements as a share of all, out of a response's body; nothing where the answer states
// nothing. `unavailable` when the model said something else.
Result<std::optional<double>> read_judgement(std::string_view response_body);

// Asks again where the model says something else than was asked for, a few times.
boost::asio::awaitable<Result<std::optional<double>>> judge_answer(const Judge& judge,
                                                                   const GivenAnswer& answer);

}  // namespace millrace
