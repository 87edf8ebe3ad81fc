#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/metrics.h"
#include "gateway/backend.h"
#include "gateway/backup/backup.h"
#include "gateway/backups.h"

namespace millrace {

// Backups on a thread of their own, one at a time, when somebody asks and when they are due. With
// several gateways each looks at what is stored, so that a schedule that all of them have is kept
// by one, mostly.
class LogBackupService final : public BackupService {
 public:
  // `rejected` where the place cannot be one. Starts nothing yet.
  static Result<std::unique_ptr<LogBackupService>> make(const BackupSettings& settings,
                                                        const Backend& backend,
                                                        MetricsRegistry& metrics);
  ~LogBackupService() override { stop(); }

  void start();
  void stop();  // breaks off what runs; before the log goes

  Reply<std::string> begin() override;
  net::awaitable<Reply<BackupList>> list() override;

 private:
  LogBackupService(BackupSettings settings, std::unique_ptr<ObjectStore> store,
                   const Backend& backend, MetricsRegistry& metrics);
  struct Running {
    std::string name;
    BackupProgress progress;
  };
  BackupList in_this_process();
  void run(const std::stop_token& stop);
  bool wait_for_work(const std::stop_token& stop);  // false: the end
  void look_what_is_stored();
  void back_up(const std::shared_ptr<Running>& running, const std::stop_token& stop);
  Status write(Running& running, const std::stop_token& stop);
  void remove_old();

  const BackupSettings settings_;
  const std::unique_ptr<ObjectStore> store_;  // null: no place is configured
  const Backend backend_;
  const Gauge running_gauge_;
  const Gauge last_success_;
  const Gauge last_bytes_;
  const Gauge last_duration_;
  const Counter done_;
  const Counter failed_count_;

  std::mutex mutex_;
  std::condition_variable_any asked_;
  std::shared_ptr<Running> running_;  // asked for, or being written
  std::optional<FailedBackup> failed_;
  Clock::Wall due_{};  // the thread's
  std::jthread thread_;
};

}  // namespace millrace
