#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <unordered_map>

#include "common/log/embedded_state.h"
#include "common/log/embedded_store.h"

namespace millrace {

// A record on its way into the log: checked, its partition chosen.
struct RoutedRecord {
  TopicState* topic = nullptr;
  std::int32_t partition = 0;
  const Record* record = nullptr;
};

// One WriteBatch in the making: gives offsets and timestamps, and takes out what a compacted
// topic's new records supersede. Used once, by the writer thread; either published after write()
// or, when it goes away unpublished, as if it had never been.
class EmbeddedBatch {
 public:
  EmbeddedBatch(EmbeddedStore& store, Clock::Wall now) : store_(store), now_(now) {}
  ~EmbeddedBatch();
  EmbeddedBatch(const EmbeddedBatch&) = delete;
  EmbeddedBatch& operator=(const EmbeddedBatch&) = delete;

  Result<Position> add(const RoutedRecord& routed);
  void commit(const GroupOffset& committed);
  void put_meta(std::string_view row, std::string_view stored);

  Status write(bool sync);
  // Makes what was written visible: ends, group offsets, metrics; wakes those who wait for it.
  void publish(GroupTable& groups);

 private:
  struct Touched {
    TopicState* topic = nullptr;
    std::size_t records = 0;
    std::size_t bytes = 0;
  };

  Clock::Wall timestamp(PartitionState& partition) const;
  Status supersede(PartitionId id, Offset offset, const Record& record);
  Result<std::optional<KeyEntry>> newest(const std::string& row) const;
  Result<std::vector<Offset>> claim_segments(PartitionId id, const Record& record);

  EmbeddedStore& store_;
  const Clock::Wall now_;
  rocksdb::WriteBatch rows_;
  std::map<PartitionId, Touched> touched_;
  // What this batch has changed already, which the database does not show yet.
  std::unordered_map<std::string, KeyEntry> entries_;
  std::unordered_map<std::string, bool> unclaimed_;  // row of a segment: put, or claimed
  std::vector<GroupOffset> committed_;
};

}  // namespace millrace
