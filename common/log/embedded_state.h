#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/log/embedded_codec.h"
#include "common/metrics.h"

namespace millrace {

class EmbeddedCursor;
class EmbeddedLane;

// The bounds of one partition. Written by its lane's writer thread, read by everyone.
struct PartitionState {
  std::atomic<Offset> begin{0};  // of a compacted topic: a lower bound of it
  std::atomic<Offset> end{0};
  std::atomic<Offset> next{0};  // ahead of `end` while a batch is being written
  // The writer thread's own:
  Clock::Wall last_timestamp{};
  Offset removed_before = 0;  // trimmed records below are gone from the disk too
};

// One topic of the embedded log, for its whole life.
class TopicState {
 public:
  TopicState(StoredTopic topic, EmbeddedLane& lane, MetricsRegistry& metrics);

  const TopicSpec& spec() const { return spec_; }  // but for what may be set anew:
  std::chrono::milliseconds retention() const { return retention_.load(); }
  void set_retention(std::chrono::milliseconds retention) { retention_ = retention; }
  bool expires() const { return expires_; }
  void set_expires(bool expires) { expires_ = expires; }
  // What stands in it so far has no rows in `keys`: it stays until it expires.
  bool compacted() const { return compacted_; }
  void set_compacted() { compacted_ = true; }
  PartitionId id(std::int32_t partition) const { return {id_, partition}; }
  PartitionState& at(std::int32_t partition) {
    return partitions_[static_cast<std::size_t>(partition)];
  }
  bool has(std::int32_t partition) const { return partition >= 0 && partition < spec_.partitions; }
  EmbeddedLane& lane() const { return lane_; }

  // Deleted: what is still on its way to it comes to nothing. The writer thread's.
  bool deleted() const { return deleted_; }
  void set_deleted() { deleted_ = true; }

  // Cursors to tell about new records.
  void subscribe(EmbeddedCursor& cursor);
  void unsubscribe(EmbeddedCursor& cursor);
  bool has_cursors();
  void notify();
  // The lowest position of any open cursor in the partition; the end when there is none.
  Offset lowest_position(std::int32_t partition);

  const Counter records;
  const Counter bytes;
  const Counter trimmed_bytes;

 private:
  const std::uint32_t id_;
  const TopicSpec spec_;
  EmbeddedLane& lane_;
  std::atomic<std::chrono::milliseconds> retention_;
  std::atomic<bool> expires_;
  std::atomic<bool> compacted_;
  bool deleted_ = false;
  std::deque<PartitionState> partitions_;
  std::mutex mutex_;
  std::vector<EmbeddedCursor*> cursors_;
};

// All topics. Pointers stay valid, also those to topics that were removed. Thread-safe.
class TopicTable {
 public:
  std::vector<std::string> names() const;
  TopicState* find(std::string_view name) const;
  TopicState* find(const EmbeddedLane& lane, std::uint32_t id) const;
  std::vector<TopicState*> of(const EmbeddedLane& lane) const;
  TopicState& add(StoredTopic topic, EmbeddedLane& lane, MetricsRegistry& metrics);
  void remove(std::string_view name);

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<TopicState>, std::less<>> topics_;
  std::vector<std::unique_ptr<TopicState>> removed_;
};

// What the groups have committed in one lane. Thread-safe.
class GroupTable {
 public:
  std::optional<Offset> find(std::string_view group, const TopicPartition& partition) const;
  void store(const GroupOffset& committed);
  // What stood there.
  std::vector<GroupOffset> remove(const TopicPartition& partition);
  // The lowest offset that any group has committed in the partition.
  std::optional<Offset> lowest(const TopicPartition& partition) const;

 private:
  mutable std::mutex mutex_;
  std::map<TopicPartition, std::map<std::string, Offset, std::less<>>> offsets_;
};

// The bound on unfinished appends, both lanes together. Thread-safe.
class QueueBudget {
 public:
  QueueBudget(std::size_t records_max, std::size_t bytes_max, MetricsRegistry& metrics);
  bool take(std::size_t records, std::size_t bytes);
  void give_back(std::size_t records, std::size_t bytes);
  std::size_t records_max() const { return records_max_; }
  std::size_t bytes_max() const { return bytes_max_; }

 private:
  const std::size_t records_max_;
  const std::size_t bytes_max_;
  const Gauge records_gauge_;
  const Gauge bytes_gauge_;
  std::mutex mutex_;
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace millrace
