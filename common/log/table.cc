#include "common/log/table.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/log/table_store.h"
#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::size_t kPollRecords = 1'000;
constexpr std::size_t kPollBytes = 8U << 20U;
constexpr std::chrono::milliseconds kPollWait{1'000};   // it is woken for everything that matters
constexpr std::chrono::milliseconds kRetryWait{1'000};  // after a failure of the log or the disk
constexpr std::size_t kWaitersMax = 10'000;  // requests that wait for a table; more are refused

class LogTable final : public Table {
 public:
  LogTable(Log& log, TableOptions options, std::unique_ptr<TableStore> store, Offsets applied,
           MetricsRegistry& metrics)
      : log_(log),
        options_(std::move(options)),
        store_(std::move(store)),
        lag_(metrics.gauge("table_lag_records", "Records of the topic not applied yet",
                           {{"table", options_.name}})),
        applied_(std::move(applied)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  std::optional<std::string> get(std::string_view key) const override;
  std::vector<Row> scan(std::string_view prefix, std::string_view after,
                        std::size_t limit) const override;
  bool catch_up(std::chrono::milliseconds wait) override;
  void when_applied(const Offsets& target, std::function<void(bool)> done) override;
  Status purge() override { return store_->purge(); }

 private:
  struct Waiter {
    Offsets target;
    std::function<void(bool)> done;
  };

  void run(const std::stop_token& stop);
  Status follow(const std::stop_token& stop);
  Status apply(const std::vector<Record>& records, const Offsets& positions);
  void advance(const Offsets& positions);
  void answer_waiters();
  void refuse_waiters();
  bool has_applied(const Offsets& target) const;  // under mutex_
  void report(const Error& error) const;

  Log& log_;
  const TableOptions options_;
  const std::unique_ptr<TableStore> store_;
  const Gauge lag_;

  std::mutex mutex_;
  std::condition_variable advanced_;
  Offsets applied_;
  std::vector<Waiter> waiters_;
  LogReader* reader_ = nullptr;  // while the thread follows the topic
  bool stopped_ = false;
  bool failing_ = false;  // the thread's: one line for each time that it cannot follow
  std::jthread thread_;   // last: it uses all the others
};

void LogTable::report(const Error& error) const {
  log_event(LogLevel::error, "table_failed", {{"table", options_.name}, {"error", error.message}});
}

std::optional<std::string> LogTable::get(std::string_view key) const {
  auto value = store_->get(key);
  if (value) return std::move(*value);
  report(value.error());
  return std::nullopt;
}

std::vector<Table::Row> LogTable::scan(std::string_view prefix, std::string_view after,
                                       std::size_t limit) const {
  auto rows = store_->scan(prefix, after, limit);
  if (rows) return std::move(*rows);
  report(rows.error());
  return {};
}

bool LogTable::has_applied(const Offsets& target) const {
  return std::ranges::all_of(target, [&](const auto& each) {
    const auto found = applied_.find(each.first);
    return found != applied_.end() && found->second >= each.second;
  });
}

bool LogTable::catch_up(std::chrono::milliseconds wait) {
  const auto target = end_offsets(log_, options_.topic);
  if (!target) return false;
  std::unique_lock lock{mutex_};
  return advanced_.wait_for(lock, wait, [&] { return stopped_ || has_applied(*target); }) &&
         has_applied(*target);
}

void LogTable::when_applied(const Offsets& target, std::function<void(bool)> done) {
  {
    const std::lock_guard lock{mutex_};
    const bool known = std::ranges::all_of(
        target, [&](const auto& each) { return applied_.contains(each.first); });
    if (!stopped_ && known && waiters_.size() < kWaitersMax) {
      waiters_.push_back({target, std::move(done)});
      if (reader_ != nullptr) reader_->wake();
      return;
    }
  }
  done(false);  // it never would come, or too many wait
}

void LogTable::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Status followed = follow(stop);
    if (followed) continue;
    if (!std::exchange(failing_, true)) report(followed.error());
    system_clock().sleep_for(kRetryWait, stop);
  }
  refuse_waiters();
}

// Until it is told to stop, or something fails: then from what was applied last.
Status LogTable::follow(const std::stop_token& stop) {
  auto reader = log_.open_reader(applied_);
  if (!reader) return reader.error();
  struct Current {
    LogTable& table;
    Current(LogTable& owner, LogReader* reading) : table(owner) { set(reading); }
    ~Current() { set(nullptr); }
    void set(LogReader* reading) {
      const std::lock_guard lock{table.mutex_};
      table.reader_ = reading;
    }
  };
  const Current current{*this, reader->get()};
  const std::stop_callback wake{stop, [&] { (*reader)->wake(); }};
  while (!stop.stop_requested()) {
    answer_waiters();
    const auto records = (*reader)->poll(kPollRecords, kPollBytes, kPollWait);
    if (!records) return records.error();
    failing_ = false;
    const Offsets positions = (*reader)->positions();
    if (!records->empty()) {
      if (Status applied = apply(*records, positions); !applied) return applied;
    }
    lag_.set(static_cast<double>((*reader)->lag()));
    advance(positions);
  }
  return {};
}

Status LogTable::apply(const std::vector<Record>& records, const Offsets& positions) {
  TableStore::Changes changes;
  for (const Record& each : records) {
    const std::string row{partition_key(each.key)};
    std::optional<std::string> current;
    if (const auto changed = changes.find(row); changed != changes.end()) {
      current = changed->second;
    } else {
      auto stored = store_->get(row);
      if (!stored) return stored.error();
      current = std::move(*stored);
    }
    for (TableChange& change : options_.apply(each, current)) {
      changes.insert_or_assign(std::move(change.key), std::move(change.value));
    }
  }
  return store_->write(changes, positions);
}

void LogTable::advance(const Offsets& positions) {
  {
    const std::lock_guard lock{mutex_};
    applied_ = positions;
  }
  advanced_.notify_all();
}

void LogTable::answer_waiters() {
  std::vector<Waiter> ready;
  {
    const std::lock_guard lock{mutex_};
    const auto kept = std::ranges::partition(
        waiters_, [&](const Waiter& each) { return !has_applied(each.target); });
    std::ranges::move(kept, std::back_inserter(ready));
    waiters_.erase(kept.begin(), kept.end());
  }
  for (const Waiter& each : ready) each.done(true);
}

void LogTable::refuse_waiters() {
  std::vector<Waiter> left;
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    left.swap(waiters_);
  }
  advanced_.notify_all();
  for (const Waiter& each : left) each.done(has_applied(each.target));
}

// Where to go on: what the store stands for, unless the log was wiped since.
Result<Offsets> starting_positions(const Log& log, const std::string& topic, TableStore& store) {
  auto begins = begin_offsets(log, std::span{&topic, 1});
  if (!begins) return begins;
  const auto ends = end_offsets(log, topic);
  if (!ends) return ends;
  for (const auto& [partition, offset] : store.positions()) {
    const auto end = ends->find(partition);
    if (end != ends->end() && offset <= end->second) continue;
    log_event(LogLevel::warning, "table_rebuilt",
              {{"topic", topic}, {"reason", "its position lies beyond the topic's end"}});
    if (const Status cleared = store.clear(); !cleared) return cleared.error();
    return begins;
  }
  Offsets start = std::move(*begins);
  for (const auto& [partition, offset] : store.positions()) {
    start[partition] = std::max(start[partition], offset);
  }
  return start;
}

}  // namespace

Result<std::unique_ptr<Table>> open_table(Log& log, TableOptions options,
                                          MetricsRegistry& metrics) {
  auto store = TableStore::open(options.directory, options.topic);
  if (!store) return with_context("table " + options.name, store.error());
  auto start = starting_positions(log, options.topic, **store);
  if (!start) return with_context("table " + options.name, start.error());
  return std::make_unique<LogTable>(log, std::move(options), std::move(*store), std::move(*start),
                                    metrics);
}

}  // namespace millrace
