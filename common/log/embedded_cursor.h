#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "common/log/embedded_state.h"

namespace millrace {

// Positions in partitions and the reading on from them: what sessions and readers share. Owned by
// one thread; wake(), notify() and position_in() are for any.
class EmbeddedCursor {
 public:
  struct Start {
    TopicState* topic = nullptr;
    std::int32_t partition = 0;
    Offset position = 0;
  };
  explicit EmbeddedCursor(const std::vector<Start>& starts);
  ~EmbeddedCursor();
  EmbeddedCursor(const EmbeddedCursor&) = delete;
  EmbeddedCursor& operator=(const EmbeddedCursor&) = delete;

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait);
  void move(const TopicPartition& partition, Offset position);  // of one it has

  Offsets positions() const;
  std::int64_t lag() const;

  void wake();    // the poll that waits, or the next that would, returns empty
  void notify();  // one of the topics has new records
  std::optional<Offset> position_in(const TopicState& topic, std::int32_t partition) const;

 private:
  struct Slot {
    TopicState* topic = nullptr;
    std::int32_t partition = 0;
    std::atomic<Offset> position{0};
  };
  Result<std::vector<Record>> read(std::size_t max_records, std::size_t max_bytes);
  std::vector<TopicState*> topics() const;

  std::deque<Slot> slots_;
  std::size_t first_ = 0;  // the partition that is read first: each in turn

  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
  bool woken_ = false;
};

}  // namespace millrace
