#pragma once

#include <mutex>
#include <set>
#include <span>
#include <string>

#include "common/log/kafka_producer.h"
#include "common/log/kafka_reader.h"

namespace millrace {

// Log::trim() and Log::purge() over Kafka. Brokers never compact the segment that is being written,
// and begin the next one only when something is written: so this writes marks, tombstones that
// every reader takes for an earlier segment and passes over. A mark that a later one has superseded
// and that is gone proves that the cleaner has been past it: the cleaner's map then held that later
// mark, and so all that was superseded before. Thread-safe.
class KafkaPurge {
 public:
  KafkaPurge(const KafkaClient& client, Log& log);  // the log as its segments

  // `before`: of topics kept by time.
  Status trim(rd_kafka_t* handle, LogWriter& writer, const Offsets& before);
  // Where a mark stands in each partition. Before that, tombstones for the segments of superseded
  // records, where a topic has a single partition: others are the sweeper's, whose session needs
  // topics of as many partitions each.
  Result<Offsets> begin(LogWriter& writer, std::span<const std::string> topics);
  Result<bool> done(LogWriter& writer, const Offsets& marks);

 private:
  Result<std::vector<Position>> write_marks(LogWriter& writer,
                                            const std::set<TopicPartition>& partitions) const;
  Status sweep(LogWriter& writer, const TopicPartition& partition) const;

  const KafkaClient& client_;
  Log& log_;
  const std::string key_;  // of the marks; no other process's
  std::mutex mutex_;
  std::set<TopicPartition> trimmed_;  // whose segment of the time goes when the next one begins
};

}  // namespace millrace
