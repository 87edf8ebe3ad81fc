#include "common/logging.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"

namespace millrace {
namespace {

constexpr std::size_t kValueBytesMax = 4096;  // of one field: a line stays readable

std::atomic<LogLevel>& threshold() {
  static std::atomic<LogLevel> level{LogLevel::info};
  return level;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      break;
  }
  return "error";
}

// A log that cannot be written is lost: there is nowhere to say so.
void write_all(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string encode(std::string_view value) {
  if (value.size() <= kValueBytesMax) return json::quote(value);
  std::size_t end = kValueBytesMax;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) --end;
  return json::quote(std::string{value.substr(0, end)} + "…");
}

}  // namespace

LogField::LogField(std::string_view field, std::string_view value)
    : name{field}, json{encode(value)} {}
LogField::LogField(std::string_view field, bool value)
    : name{field}, json{value ? "true" : "false"} {}
LogField::LogField(std::string_view field, double value)
    : name{field}, json{std::isfinite(value) ? json::Writer{}.value(value).take() : "null"} {}
LogField::LogField(std::string_view field, std::int64_t value, int)
    : name{field}, json{std::to_string(value)} {}

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < threshold().load(std::memory_order_relaxed)) return;
  json::Writer line;
  line.begin_object();
  line.field("time", format_time(system_clock().wall_now()));
  line.field("level", level_name(level));
  line.field("event", event);
  for (const LogField& field : fields) line.key(field.name).raw(field.json);
  line.end_object();
  write_all(line.take() + "\n");
}

void set_log_level(std::string_view name) {
  if (name == "debug") return set_log_level(LogLevel::debug);
  if (name == "info") return set_log_level(LogLevel::info);
  if (name == "warning") return set_log_level(LogLevel::warning);
  set_log_level(LogLevel::error);
}

void set_log_level(LogLevel level) { threshold().store(level, std::memory_order_relaxed); }

}  // namespace millrace
