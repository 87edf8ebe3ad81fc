#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/log.h"

namespace millrace {

// Topic `restores`: that this log was, or is being, filled from a backup. One key, so that its last
// record says how it stands.
struct RestoreEvent {
  enum class State { running, done };
  std::string backup;  // its name
  State state = State::running;
  Clock::Wall at{};
  static constexpr std::string_view kType = "restore";
  bool operator==(const RestoreEvent&) const = default;
};
Record to_record(const RestoreEvent& event);
Result<RestoreEvent> restore_event_from(const Record& record);

// `rejected` while a restore into the log is running or was cut off: nobody may work on such a log.
// Reads the topic: not on an Asio thread.
Status check_whole(Log& log);

}  // namespace millrace
