#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "common/log/log.h"

namespace millrace {

// A place where a log is kept, for the contract's tests: opening it again finds what was there.
class LogBackend {
 public:
  virtual ~LogBackend() = default;
  virtual std::unique_ptr<Log> open() = 0;
};

// One row per back-end that the contract must hold for.
struct LogFactory {
  std::string name;
  bool segmented = true;         // run behind make_segmented_log()
  bool compacts_at_once = true;  // what is superseded is gone when the append returns
  bool local = true;             // polls see all there is
  std::function<std::unique_ptr<LogBackend>()> make;
};

std::vector<LogFactory> log_factories();

inline void PrintTo(const LogFactory& factory, std::ostream* out) { *out << factory.name; }

}  // namespace millrace
