#include "gateway/backup_service.h"

#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "gateway/mailbox.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kLook{10};               // between two looks at the schedule
constexpr std::chrono::minutes kAgainAfterFailure{10};  // or at the next time, where that is sooner

double seconds_of(Clock::Wall time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

Result<std::unique_ptr<LogBackupService>> LogBackupService::make(const BackupSettings& settings,
                                                                 const Backend& backend,
                                                                 MetricsRegistry& metrics) {
  std::unique_ptr<ObjectStore> store;
  if (!settings.to.empty()) {
    auto opened = open_object_store(settings.to, settings.s3, backend.clock);
    if (!opened) return with_context("backup_to", opened.error());
    store = std::move(*opened);
  } else if (settings.every.count() > 0) {
    return rejected("backup_every_hours without backup_to: say where backups go");
  }
  return std::unique_ptr<LogBackupService>{
      new LogBackupService{settings, std::move(store), backend, metrics}};
}

LogBackupService::LogBackupService(BackupSettings settings, std::unique_ptr<ObjectStore> store,
                                   const Backend& backend, MetricsRegistry& metrics)
    : settings_{std::move(settings)},
      store_{std::move(store)},
      backend_{backend},
      running_gauge_{metrics.gauge("backup_running", "1 while this process writes a backup.")},
      last_success_{metrics.gauge("backup_last_success_timestamp_seconds",
                                  "When the newest whole backup was begun; 0: there is none.")},
      last_bytes_{metrics.gauge("backup_last_bytes", "Bytes of the newest whole backup.")},
      last_duration_{metrics.gauge("backup_last_duration_seconds",
                                   "What the last backup of this process took.")},
      done_{metrics.counter("backups_total", "Backups of this process.", {{"outcome", "done"}})},
      failed_count_{
          metrics.counter("backups_total", "Backups of this process.", {{"outcome", "failed"}})} {
  metrics.gauge("backup_interval_seconds", "Time between two backups on schedule; 0: no schedule.")
      .set(std::chrono::duration<double>(settings_.every).count());
}

void LogBackupService::start() {
  if (store_) thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void LogBackupService::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Reply<std::string> LogBackupService::begin() {
  if (!store_) {
    return conflict(
        "no place for backups is configured: start the server with the setting backup_to, a folder "
        "or s3://BUCKET/PREFIX");
  }
  const std::lock_guard lock{mutex_};
  if (running_) {
    return conflict("the backup " + running_->name + " is being written; one runs at a time");
  }
  running_ = std::make_shared<Running>();
  running_->name = backup_name(backend_.clock.wall_now());
  asked_.notify_one();
  return running_->name;
}

BackupList LogBackupService::in_this_process() {
  BackupList listed;
  const std::lock_guard lock{mutex_};
  listed.failed = failed_;
  if (running_) {
    const BackupProgress& progress = running_->progress;
    listed.running =
        BackupRun{running_->name, progress.topic(), progress.records(), progress.bytes()};
  }
  return listed;
}

net::awaitable<Reply<BackupList>> LogBackupService::list() {
  BackupList listed = in_this_process();  // first: what has ended by then is among the stored ones
  if (store_) {
    auto stored = co_await run_blocking(backend_.pool, [this] { return list_backups(*store_); });
    if (!stored) co_return Reply<BackupList>{problem_from(stored.error())};
    listed.location = store_->where();
    listed.backups = std::move(*stored);
  }
  co_return Reply<BackupList>{std::move(listed)};
}

void LogBackupService::run(const std::stop_token& stop) {
  look_what_is_stored();
  while (wait_for_work(stop)) {
    std::shared_ptr<Running> running;
    {
      const std::lock_guard lock{mutex_};
      running = running_;
    }
    back_up(running, stop);
    remove_old();
    const std::lock_guard lock{mutex_};
    running_.reset();
  }
}

// Asked for, or due: then it is as if somebody had asked.
bool LogBackupService::wait_for_work(const std::stop_token& stop) {
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      if (asked_.wait_for(lock, stop, kLook, [this] { return running_ != nullptr; })) return true;
    }
    if (stop.stop_requested()) return false;
    const Clock::Wall now = backend_.clock.wall_now();
    if (settings_.every.count() == 0 || now < due_) continue;
    look_what_is_stored();  // another gateway may have been sooner
    if (now >= due_) static_cast<void>(begin());
  }
}

// Also for the metrics, of what an earlier process has left.
void LogBackupService::look_what_is_stored() {
  const auto stored = list_backups(*store_);
  if (!stored) {
    log_event(LogLevel::warning, "backups_unreadable", {{"error", stored.error().message}});
    due_ = backend_.clock.wall_now() + kAgainAfterFailure;
    return;
  }
  const auto newest = std::ranges::find(*stored, true, &StoredBackup::whole);
  if (newest == stored->end()) return;
  const Clock::Wall began = backup_time(newest->name);
  last_success_.set(seconds_of(began));
  last_bytes_.set(static_cast<double>(newest->bytes));
  due_ = began + settings_.every;
}

void LogBackupService::back_up(const std::shared_ptr<Running>& running,
                               const std::stop_token& stop) {
  running_gauge_.set(1);
  log_event(LogLevel::info, "backup_began",
            {{"backup", running->name}, {"location", store_->where()}});
  const Status written = write(*running, stop);
  running_gauge_.set(0);
  if (!written && !stop.stop_requested()) {
    failed_count_.add();
    log_event(LogLevel::error, "backup_failed",
              {{"backup", running->name}, {"error", written.error().message}});
    due_ = backend_.clock.wall_now() +
           std::min<std::chrono::minutes>(kAgainAfterFailure, settings_.every);
  }
  const std::lock_guard lock{mutex_};
  failed_ =
      written ? std::nullopt : std::optional{FailedBackup{running->name, written.error().message}};
}

Status LogBackupService::write(Running& running, const std::stop_token& stop) {
  BackupOptions options;
  options.name = running.name;
  options.log = settings_.log;
  options.bytes_per_second = settings_.bytes_per_second;
  const auto manifest =
      write_backup(backend_.log, *store_, backend_.clock, options, running.progress, stop);
  if (!manifest) return manifest.error();
  done_.add();
  last_success_.set(seconds_of(manifest->began_at));
  last_bytes_.set(static_cast<double>(manifest->bytes()));
  last_duration_.set(
      std::chrono::duration<double>(manifest->ended_at - manifest->began_at).count());
  due_ = manifest->began_at + settings_.every;
  log_event(LogLevel::info, "backup_done",
            {{"backup", manifest->name},
             {"records", manifest->records()},
             {"bytes", manifest->bytes()},
             {"objects", manifest->objects.size()}});
  return {};
}

void LogBackupService::remove_old() {
  {
    const std::lock_guard lock{mutex_};
    if (failed_) return;  // a place that does not work is left as it is
  }
  const auto removed = remove_old_backups(*store_, backend_.clock.wall_now(), settings_.keep);
  if (!removed) {
    log_event(LogLevel::warning, "old_backups_stay", {{"error", removed.error().message}});
    return;
  }
  for (const std::string& each : *removed) {
    log_event(LogLevel::info, "backup_removed", {{"backup", each}});
  }
}

}  // namespace millrace
