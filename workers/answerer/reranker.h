#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "common/error.h"

namespace millrace {

struct RerankTask {
  std::string question;
  std::vector<std::string> passages;
  std::stop_token stop;  // requested: nobody waits for the scores any more
};

// Reads a question together with each of its passages, which tells more than two vectors do, and
// takes longer. Many at once; coroutines run on their caller's executor.
class Reranker {
 public:
  virtual ~Reranker() = default;
  // One finite score for each passage, the greater the better; comparable within one task only.
  // Whoever does not want them any more requests the stop and cancels the coroutine, which then
  // ends soon. One attempt: failing costs the fused order no more than the time it took.
  virtual boost::asio::awaitable<Result<std::vector<double>>> score(RerankTask task) = 0;
  virtual std::string name() const = 0;
};

// How queries are re-ranked. Null: not at all.
struct RerankOptions {
  Reranker* reranker = nullptr;  // outlives who has this
  std::size_t top = 30;          // passages that it reads of each query
  std::chrono::milliseconds timeout{2'000};
  std::size_t in_flight_max = 64;  // queries at a time; more keep the fused order
};

}  // namespace millrace
