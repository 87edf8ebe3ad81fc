#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <string_view>

#include "common/metrics.h"
#include "gateway/backend.h"

namespace millrace {

// Keeps the gauge of waiting dead letters, by stage, and tells tables of letters that are over: the
// log lets go of them by their time and without a word, so each gateway writes tombstones for those
// that its table still has. One coroutine; reads on the pool.
class DeadLetterKeeper {
 public:
  DeadLetterKeeper(const Backend& backend, MetricsRegistry& metrics);
  // `io` ends before this goes.
  void start(net::io_context& io);

  static constexpr std::array<std::string_view, 9> kStages{
      "extractor", "chunker",  "embedder", "indexer", "query-embedder",
      "searcher",  "answerer", "sweeper",  "other"};

 private:
  struct Pass {
    std::array<std::int64_t, kStages.size()> waiting{};
    std::vector<Record> over;  // tombstones
    std::string at;            // of the row that was seen last
    bool done = false;
  };
  net::awaitable<void> run();
  net::awaitable<void> pass();
  void look_at_some(Pass& pass) const;  // blocks

  const Backend backend_;
  const std::chrono::milliseconds retention_;
  std::array<Gauge, kStages.size()> waiting_;
  Offset counted_ = -1;  // the topic's end when it was counted last
  Clock::Steady count_by_{};
};

}  // namespace millrace
