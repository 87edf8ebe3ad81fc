#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log.h"
#include "common/metrics.h"

namespace millrace {

// One row to store (`value`), or to remove (empty). The applier may return several per record.
struct TableChange {
  std::string key;
  std::optional<std::string> value;
};

// Turns one record into changes. `current` is the row named
// partition_key(record.key). Pure.
using TableApplier = std::function<std::vector<TableChange>(
    const Record& record, const std::optional<std::string>& current)>;

struct TableOptions {
  std::string name;  // for metrics and messages
  std::string topic;
  std::filesystem::path directory;  // of its RocksDB
  TableApplier apply;
};

// A topic as a local RocksDB view that remembers its position: rows and position are stored in one
// WriteBatch, so a restart goes on where it stopped; a lost directory is rebuilt from the topic.
// One thread of its own reads the log; get() and scan() are thread-safe and never wait for it.
class Table {
 public:
  virtual ~Table() = default;
  virtual std::optional<std::string> get(std::string_view key) const = 0;

  struct Row {
    std::string key;
    std::string value;
  };
  // Rows with the prefix, in key order, from the first key > `after`, at most `limit`.
  virtual std::vector<Row> scan(std::string_view prefix, std::string_view after,
                                std::size_t limit) const = 0;

  // True once everything up to the topic's end as it was when the call began has been applied;
  // waits at most `wait`. Not on an Asio thread.
  virtual bool catch_up(std::chrono::milliseconds wait) = 0;
  // Calls `done(true)` on the table's thread once records before `target` are applied, or
  // `done(false)` when the table stops. For callers that must not block.
  virtual void when_applied(const Offsets& target, std::function<void(bool)> done) = 0;

  // What was replaced or removed leaves the disk too. Writes the table anew: blocks, not on an Asio
  // thread.
  virtual Status purge() = 0;
};

// Starts the table's thread. Stops and joins when destroyed.
Result<std::unique_ptr<Table>> open_table(Log& log, TableOptions options, MetricsRegistry& metrics);

}  // namespace millrace
