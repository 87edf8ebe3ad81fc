#pragma once

#include <filesystem>
#include <memory>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/metrics.h"

namespace rocksdb {
class Env;
}

namespace millrace {

struct EmbeddedLogOptions {
  std::filesystem::path directory;
  // Unfinished appends held in memory, both lanes together; further ones are `unavailable`.
  std::size_t queue_bytes_max = 256U << 20U;
  std::size_t queue_records_max = 100'000;
  std::chrono::milliseconds trim_interval{std::chrono::minutes{1}};
  rocksdb::Env* env = nullptr;  // null: the file system; tests pass an in-memory one
};

// The log of a single process, on RocksDB. Two lanes, each a database with one writer thread that
// owns all writes to it: durable topics (one synced WriteBatch for all that waits: group commit)
// and the others (not synced), so that a question never waits for an upload's fsync. A commit is
// one WriteBatch with outputs and offsets. A compacted topic drops the superseded record of the
// key, and its earlier segments, in the batch that supersedes it. Topics kept by time are trimmed
// by whole files. One session per group and topic at a time: the second is `rejected`. `rejected`
// with the directory's name when another process has it open.
Result<std::unique_ptr<Log>> open_embedded_log(EmbeddedLogOptions options, const Clock& clock,
                                               MetricsRegistry& metrics);

}  // namespace millrace
