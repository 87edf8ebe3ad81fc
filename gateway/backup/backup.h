#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/object_store.h"
#include "gateway/backup/manifest.h"

namespace millrace {

struct BackupOptions {
  std::string name;                     // backup_name() of now
  std::string log;                      // embedded or kafka, for the manifest
  std::uint64_t bytes_per_second = 0;   // read from the log at most, about; 0: as fast as it goes
  std::size_t object_bytes = 32 << 20;  // of one object at most, unless one record is larger
};

// How far a backup has come. Written by its thread, read by any.
class BackupProgress {
 public:
  void at_topic(const std::string& topic);
  void add(std::int64_t records, std::int64_t bytes);
  std::string topic() const;
  std::int64_t records() const { return records_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  mutable std::mutex mutex_;
  std::string topic_;
  std::atomic<std::int64_t> records_{0};
  std::atomic<std::int64_t> bytes_{0};
};

// Writes a backup of a log that is in use: all records of the topics that backups hold
// (TopicRow::backed_up), and what the groups of the document's way had committed. Blocks until it
// is done; holds one object and one poll of records in memory. `log` is the view that joins
// segments.
//
// Nobody stops writing meanwhile, so the order of reading makes what is read fit together:
//   1. what the groups have committed. What comes of the records before that is in the log already;
//      what comes of those behind it is made again after a restore, with the same ids and
//      revisions, so that it replaces itself;
//   2. the topics, each after all that is made of it: what a record refers to is there, or a newer
//      revision of it, when `documents` is read at the end;
//   3. each partition until the reader stands at its end. A record that compaction takes away ahead
//      of the reader has a successor farther on, which is read. Where nothing goes at once, over
//      Kafka and of topics kept by time, until where it ended when the reader had got to its first
//      end.
//
// `unavailable` when it is stopped, the place or the log fails for now, or the log grows faster
// than it can be read; what was written by then is removed again.
Result<Manifest> write_backup(Log& log, ObjectStore& store, const Clock& clock,
                              const BackupOptions& options, BackupProgress& progress,
                              const std::stop_token& stop);

}  // namespace millrace
