#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/object_store.h"
#include "gateway/backup/stored_backups.h"
#include "gateway/http_types.h"

namespace millrace {

// Where backups go and when, as the settings say.
struct BackupSettings {
  std::string to;  // empty: there are none
  S3Options s3;
  std::chrono::hours every{0};  // 0: only when somebody asks
  std::chrono::days keep{30};   // 0: for good
  std::uint64_t bytes_per_second = 0;
  std::string log;  // embedded or kafka
};

struct BackupRun {
  std::string name;
  std::string topic;  // that is being read
  std::int64_t records = 0;
  std::int64_t bytes = 0;
};
struct FailedBackup {
  std::string name;
  std::string error;
};
struct BackupList {
  std::string location;
  std::optional<BackupRun> running;    // in this process
  std::optional<FailedBackup> failed;  // the last one of this process, where that failed
  std::vector<StoredBackup> backups;   // the newest first
};

// Backups of the whole log. For callers who see every document of every collection: the handlers
// check that.
class BackupService {
 public:
  virtual ~BackupService() = default;
  // The new backup's name, as soon as it has begun. 409 while one runs in this process, and where
  // no place is configured.
  virtual Reply<std::string> begin() = 0;
  virtual net::awaitable<Reply<BackupList>> list() = 0;
};

}  // namespace millrace
