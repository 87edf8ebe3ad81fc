#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/log/embedded_batch.h"
#include "common/log/embedded_trim.h"

namespace millrace {

// Something for the writer thread to store in one batch, with others or alone.
struct LaneRequest {
  std::vector<Record> owned;  // what `records` points into, unless the caller waits
  std::vector<RoutedRecord> records;
  std::vector<GroupOffset> offsets;
  std::vector<std::pair<std::string, std::string>> meta;
  TopicState* deleted = nullptr;                 // a topic that goes, after all that came before
  Offsets trimmed;                               // of topics kept by time: what stands before goes
  bool clear_up = false;                         // EmbeddedTrimmer::remove_what_is_over()
  std::vector<EmbeddedTrimmer::MetaRow> purged;  // EmbeddedTrimmer::forget_removed()
  AppendHandler done;
};

struct LaneParts {
  const Clock& clock;
  MetricsRegistry& metrics;
  TopicTable& topics;
  QueueBudget& budget;
  std::chrono::milliseconds trim_interval;
};

// A database and the one thread that writes to it. The thread takes all that waits, stores it as
// one batch (group commit), publishes it and calls the handlers; between batches it trims. No lock
// is held while it writes.
class EmbeddedLane {
 public:
  // `name` is the metrics' label. A durable lane syncs what must survive a power cut.
  EmbeddedLane(std::string name, bool durable, std::unique_ptr<EmbeddedStore> store,
               const LaneParts& parts);
  ~EmbeddedLane() { stop(); }
  EmbeddedLane(const EmbeddedLane&) = delete;
  EmbeddedLane& operator=(const EmbeddedLane&) = delete;

  // Reads back topics, ends and group offsets, and drops what a crash left behind. Then start().
  Status recover();
  void start();
  void stop();  // stores what waits and joins; what comes later is `unavailable`

  void submit(LaneRequest request);  // thread-safe
  Result<std::vector<Position>> submit_and_wait(LaneRequest request);

  // Log::purge(), of this lane. Blocks; not the writer thread.
  Status purge();

  EmbeddedStore& store() { return *store_; }
  const GroupTable& groups() const { return groups_; }
  bool durable() const { return durable_; }
  std::uint32_t give_topic_id() { return ++last_topic_id_; }  // the caller's lock guards it

 private:
  using Work = std::vector<LaneRequest>;
  void run();
  bool take(Work& work);  // false: the end
  void store_all(Work& work);
  Status store_batch(const Work& work, std::vector<std::vector<Position>>& positions);
  Status store_one(LaneRequest& request, const Status& stored);
  Status check_room();
  bool must_sync(const LaneRequest& request) const;
  Status recover_topic(const StoredTopic& topic);
  Status recover_partition(TopicState& topic, std::int32_t partition);

  const bool durable_;
  const std::unique_ptr<EmbeddedStore> store_;
  const LaneParts parts_;
  const Histogram commit_seconds_;
  const Gauge disk_free_;
  GroupTable groups_;
  EmbeddedTrimmer trimmer_;
  std::uint32_t last_topic_id_ = 0;
  bool failing_ = false;  // the writer thread's: a failure is logged once

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<LaneRequest> queue_;  // bounded by the budget
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace
