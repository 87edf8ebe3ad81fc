#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// An event written by C++, as tests/golden/events/EVENT.NUMBER.json has it.
struct Sample {
  std::string event;
  int number = 0;
  Record record;
  // Reads a record as this event and compares: ok, "reads back differently", or the codec's error.
  std::function<Status(const Record&)> read_back;

  std::string name() const { return event + "." + std::to_string(number); }
};

// At least one of every event type, every member set somewhere.
const std::vector<Sample>& samples();

}  // namespace millrace
