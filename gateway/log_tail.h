#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/clock.h"
#include "common/log/log.h"

namespace millrace {

// One thread that reads one topic from a position on and hands each record to `handler`. A reader
// that fails is opened again where it stood, after a pause. Stops and joins when destroyed.
class LogTail {
 public:
  using Handler = std::function<void(const Record&)>;

  static Result<std::unique_ptr<LogTail>> start(Log& log, const Clock& clock, Offsets from,
                                                Handler handler);
  ~LogTail();

 private:
  LogTail(Log& log, const Clock& clock, Handler handler, std::unique_ptr<LogReader> reader);
  void run(const std::stop_token& stop);
  void read_until_error(const std::stop_token& stop);
  bool reopen(const std::stop_token& stop, Offsets from);

  Log& log_;
  const Clock& clock_;
  Handler handler_;
  std::unique_ptr<LogReader> reader_;
  std::jthread thread_;
};

}  // namespace millrace
