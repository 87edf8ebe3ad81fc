#include "workers/runtime/outbox.h"

#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "common/trace.h"
#include "schemas/dead_letter.h"

namespace millrace {
namespace {

void stamp(Record& output, const Record& source, const std::string& position,
           const std::string& traceparent) {
  output.set_header(headers::kSource, position);
  output.set_header(headers::kTraceparent, traceparent);
  const std::string_view letter = source.header(headers::kRedrivenFrom);
  if (!letter.empty()) output.set_header(headers::kRedrivenFrom, std::string{letter});
}

std::string trace_of(const Record& source) {
  return child_of(source.header(headers::kTraceparent)).traceparent();
}

}  // namespace

Outbox::Outbox(std::string_view stage, std::span<const std::string> declared)
    : stage_{stage}, declared_{declared} {}

Status Outbox::check(const Record& output) const {
  if (std::ranges::find(declared_, output.topic) != declared_.end()) return {};
  return fatal("stage " + std::string{stage_} + " wrote to topic \"" + output.topic +
               "\", which it does not declare");
}

Status Outbox::append(const Record& source, const std::string& traceparent, Outputs outputs) {
  const std::string position = format_position(source.position());
  for (Record& output : outputs) {
    if (Status declared = check(output); !declared) return declared;
    stamp(output, source, position, traceparent);
    records_.push_back(std::move(output));
  }
  return {};
}

Status Outbox::add(const Record& source, Outputs outputs) {
  ++sources_;
  if (outputs.empty()) return {};
  return append(source, trace_of(source), std::move(outputs));
}

Status Outbox::add_report(Outputs outputs) {
  for (Record& output : outputs) {
    if (Status declared = check(output); !declared) return declared;
    records_.push_back(std::move(output));
  }
  return {};
}

Status Outbox::add_dead_letter(const Record& source, const Error& error, int attempts,
                               Clock::Wall now, Outputs given_up) {
  ++sources_;
  given_up_.push_back({source.position(), error, attempts});
  const std::string traceparent = trace_of(source);
  DeadLetter letter;
  letter.source = source.position();
  letter.source_key = source.key;
  letter.source_headers = source.headers;
  letter.stage = stage_;
  letter.error = error;
  letter.attempts = attempts;
  letter.at = now;
  letter.value = source.value;
  Record record = to_record(letter);
  stamp(record, source, format_position(letter.source), traceparent);
  records_.push_back(std::move(record));
  return append(source, traceparent, std::move(given_up));
}

void Outbox::log_dead_letters() const {
  for (const GivenUp& each : given_up_) {
    log_event(LogLevel::warning, "record_dead_lettered",
              {{"stage", stage_},
               {"topic", each.position.source.topic},
               {"partition", each.position.source.partition},
               {"offset", each.position.offset},
               {"kind", to_string(each.error.kind)},
               {"attempts", each.attempts},
               {"error", each.error.message}});
  }
}

}  // namespace millrace
