#include "gateway/log_tail.h"

#include "common/logging.h"

namespace millrace {
namespace {

constexpr std::size_t kPollRecords = 1'000;
constexpr std::size_t kPollBytes = 4U << 20U;
constexpr std::chrono::milliseconds kPollWait{
    500};  // a stop that comes just before a poll waits this long
constexpr std::chrono::milliseconds kReopenPause{500};

}  // namespace

Result<std::unique_ptr<LogTail>> LogTail::start(Log& log, const Clock& clock, Offsets from,
                                                Handler handler) {
  auto reader = log.open_reader(from);
  if (!reader) return reader.error();
  return std::unique_ptr<LogTail>{new LogTail{log, clock, std::move(handler), std::move(*reader)}};
}

LogTail::LogTail(Log& log, const Clock& clock, Handler handler, std::unique_ptr<LogReader> reader)
    : log_{log}, clock_{clock}, handler_{std::move(handler)}, reader_{std::move(reader)} {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

LogTail::~LogTail() {
  thread_.request_stop();
  thread_.join();
}

void LogTail::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    read_until_error(stop);
    if (!stop.stop_requested() && !reopen(stop, reader_->positions())) return;
  }
}

void LogTail::read_until_error(const std::stop_token& stop) {
  const std::stop_callback wake{stop, [this] { reader_->wake(); }};
  while (!stop.stop_requested()) {
    auto records = reader_->poll(kPollRecords, kPollBytes, kPollWait);
    if (!records) {
      log_event(LogLevel::error, "log_tail_failed", {{"error", records.error().message}});
      return;
    }
    for (const Record& record : *records) handler_(record);
  }
}

bool LogTail::reopen(const std::stop_token& stop, Offsets from) {
  while (clock_.sleep_for(kReopenPause, stop)) {
    auto reader = log_.open_reader(from);
    if (!reader) continue;
    reader_ = std::move(*reader);
    return true;
  }
  return false;
}

}  // namespace millrace
