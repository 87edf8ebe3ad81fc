#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace millrace {

enum class LogLevel { debug, info, warning, error };

// One field of a log line. Numbers and booleans are written as JSON numbers and booleans.
struct LogField {
  LogField(std::string_view field, std::string_view value);
  LogField(std::string_view field, const char* value) : LogField(field, std::string_view{value}) {}
  LogField(std::string_view field, const std::string& value)
      : LogField(field, std::string_view{value}) {}
  LogField(std::string_view field, bool value);
  LogField(std::string_view field, double value);
  LogField(std::string_view field, std::integral auto value)
      : LogField(field, static_cast<std::int64_t>(value), 0) {}

  std::string_view name;
  std::string json;  // the value, encoded

 private:
  LogField(std::string_view field, std::int64_t value, int);
};

// Writes one line of JSON to standard error: time, level, event, then the fields. Events are short
// phrases in snake case ("record_dead_lettered"). Never a secret, never document text. Thread-safe:
// a line is one write(2).
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// Lines below `level` are dropped. Set once at start.
void set_log_level(LogLevel level);
void set_log_level(std::string_view name);  // "debug", "info", "warning" or "error"

}  // namespace millrace
