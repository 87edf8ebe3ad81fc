#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"
#include "workers/runtime/stage.h"

namespace millrace {

// What one commit will append: outputs in the order of their source records, each stamped with a
// child of its source's trace, with the source's position, and with the dead letter that the source
// was sent again from. Refuses topics that the stage's row does not declare.
class Outbox {
 public:
  // `declared` and the strings must outlive it.
  Outbox(std::string_view stage, std::span<const std::string> declared);

  // The outputs of one record that was processed. `fatal` on an undeclared topic: a bug.
  Status add(const Record& source, Outputs outputs);
  // The dead letter of one that was given up, and what the stage sends then.
  Status add_dead_letter(const Record& source, const Error& error, int attempts, Clock::Wall now,
                         Outputs given_up);

  // What belongs to no record: without trace or source.
  Status add_report(Outputs outputs);

  const std::vector<Record>& records() const { return records_; }
  std::size_t sources() const { return sources_; }
  std::size_t dead_letters() const { return given_up_.size(); }
  void log_dead_letters() const;  // a line for each, once they are stored

 private:
  struct GivenUp {
    Position position;
    Error error;
    int attempts = 0;
  };
  Status check(const Record& output) const;
  Status append(const Record& source, const std::string& traceparent, Outputs outputs);

  std::string_view stage_;
  std::span<const std::string> declared_;
  std::vector<Record> records_;
  std::size_t sources_ = 0;
  std::vector<GivenUp> given_up_;
};

}  // namespace millrace
