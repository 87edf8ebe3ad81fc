#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"
#include "common/span.h"
#include "workers/runtime/stage.h"

namespace millrace {

class Tracer;

// What one commit will append: outputs in the order of their source records, each stamped with the
// span of its source, with the source's position, and with the dead letter that the source was sent
// again from. Refuses topics that the stage's row does not declare.
class Outbox {
 public:
  // `declared`, the strings and the tracer must outlive it. `began`: when its records' spans did;
  // without a tracer there are none, and outputs get a child of their source's trace.
  Outbox(std::string_view stage, std::span<const std::string> declared,
         const Tracer* tracer = nullptr, Clock::Steady began = {});

  // The outputs of one record that was processed. `fatal` on an undeclared topic: a bug.
  Status add(const Record& source, Outputs outputs);
  // The dead letter of one that was given up, and what the stage sends then.
  Status add_dead_letter(const Record& source, const Error& error, int attempts, Clock::Wall now,
                         Outputs given_up);
  // One that failed and will be tried again: only its span.
  void add_attempt(const Record& source, const Error& error);

  // What belongs to no record: without trace or source.
  Status add_report(Outputs outputs);

  const std::vector<Record>& records() const { return records_; }
  std::size_t sources() const { return sources_; }
  std::size_t dead_letters() const { return given_up_.size(); }
  void log_dead_letters() const;  // a line for each, once they are stored
  void end_spans();               // of all records, then too

 private:
  struct GivenUp {
    Position position;
    Error error;
    int attempts = 0;
    std::string trace_id;
  };
  std::string begin_span(const Record& source, const Error* error = nullptr);
  Status check(const Record& output) const;
  Status append(const Record& source, const std::string& traceparent, Outputs outputs);

  std::string_view stage_;
  std::span<const std::string> declared_;
  std::vector<Record> records_;
  std::size_t sources_ = 0;
  std::vector<GivenUp> given_up_;
  const Tracer* tracer_;
  Clock::Steady began_;
  std::vector<Span> spans_;
};

}  // namespace millrace
