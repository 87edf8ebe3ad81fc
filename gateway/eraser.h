#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/metrics.h"
#include "gateway/backend.h"
#include "gateway/document_service.h"
#include "gateway/erasure_round.h"

namespace millrace {

// Deletes documents that are older than their collection keeps them, and sees to it that deleted
// documents are erased within GatewayOptions::erase_within (see erasure_round.h). Every gateway has
// one: what two of them do at once is done once. One coroutine on a strand; what blocks is on the
// gateway's pool, or, where it takes long, on a thread of its own.
class Eraser {
 public:
  Eraser(const Backend& backend, LogDocumentService& documents, MetricsRegistry& metrics);
  // `io` ends before this goes.
  void start(net::io_context& io);
  void stop();  // waits for what blocks; after the io_context's threads

 private:
  struct Seen {
    std::map<std::string, Collection, std::less<>> collections;
    std::string at;  // the last row that was looked at
    bool done = false;
    std::vector<RemovedDocument> removed;
    std::vector<DocumentRef> over;  // their time
    std::int64_t waiting = 0;
    std::optional<Clock::Wall> oldest;  // when it was asked for the removal
  };

  net::awaitable<void> run();
  net::awaitable<void> pass();
  net::awaitable<std::optional<Seen>> look();
  void look_at_some(Seen& seen) const;  // blocks
  void look_at(const Table::Row& row, Seen& seen) const;
  net::awaitable<void> remove_over(std::vector<DocumentRef> documents);
  net::awaitable<void> go_on();
  net::awaitable<void> begin(Seen& seen);
  bool must_look(const Offsets& ends) const;

  const Backend backend_;
  LogDocumentService& documents_;
  const Caller nobody_;  // no client's trace
  const Gauge waiting_;
  const Gauge oldest_seconds_;
  const Counter erased_;
  const Counter over_;
  net::thread_pool thread_{1};
  std::optional<ErasureRound> round_;
  Clock::Steady next_round_{};
  Clock::Steady next_tidy_{};
  std::optional<Offsets> looked_at_;  // where `document-events` ended
  Clock::Steady look_by_{};
  std::optional<Clock::Wall> oldest_;
  Offsets tidied_;       // where `documents` ended when the last round began
  std::string failure_;  // of the round: told once
};

}  // namespace millrace
