#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <map>
#include <string>
#include <vector>

#include "common/metrics.h"
#include "gateway/backend.h"
#include "gateway/generations.h"

namespace millrace {

// Ends generations: removes those that were kept for as long as the settings say, deletes topics of
// generations that no collection has any more, and takes collections that left the first one out of
// its index. Keeps the gauges of what there is. Every gateway
// has one: what two of them do at once is done once. One coroutine; what blocks is on the pool.
class GenerationKeeper {
 public:
  GenerationKeeper(const Backend& backend, GenerationService& generations,
                   MetricsRegistry& metrics);
  // `io` ends before this goes.
  void start(net::io_context& io);

  // Nobody may still read or make a generation's topics when they go: so long it must have been
  // nobody's. Workers let go of it within a second, and a record of it is appended sooner.
  static constexpr std::chrono::seconds kOrphanWait{30};

 private:
  struct Seen {
    std::vector<Collection> collections;  // those with several generations
    std::vector<std::string> topics;      // of generations beside the first
  };

  net::awaitable<void> run();
  net::awaitable<void> pass();
  Result<Seen> look() const;  // blocks
  net::awaitable<void> count(const std::vector<Collection>& collections);
  net::awaitable<void> end_kept(const std::vector<Collection>& collections);
  net::awaitable<void> delete_orphans(const Seen& seen);
  net::awaitable<void> leave_first(const std::vector<Collection>& collections);
  std::vector<Record> removals_from_first(const std::string& collection) const;  // blocks

  const Backend backend_;
  GenerationService& generations_;
  const Caller nobody_;            // no client's trace
  std::array<Gauge, 4> by_state_;  // in the order of Generation::State
  const Gauge behind_;
  std::map<int, Clock::Steady> orphans_;  // since when they are seen as such
  // Collections outside the first generation: since when nothing of them is in it.
  std::map<std::string, Clock::Steady> left_;
};

}  // namespace millrace
