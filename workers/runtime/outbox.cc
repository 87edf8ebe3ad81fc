#include "workers/runtime/outbox.h"

#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "common/trace.h"
#include "common/tracer.h"
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

// OpenTelemetry's names for reading from a log.
void describe(Span& span, std::string_view stage, const Record& source) {
  if (!span.context.sampled) return;
  span.set("messaging.system", "millrace");
  span.set("messaging.operation.name", "process");
  span.set("messaging.operation.type", "process");
  span.set("messaging.consumer.group.name", stage);
  span.set("messaging.destination.name", source.topic);
  span.set("messaging.destination.partition.id", std::to_string(source.partition));
  span.set("messaging.message.id", format_position(source.position()));
  span.set("messaging.message.body.size", source.value.size());
  span.set("millrace.key", source.key);
}

}  // namespace

Outbox::Outbox(std::string_view stage, std::span<const std::string> declared, const Tracer* tracer,
               Clock::Steady began)
    : stage_{stage}, declared_{declared}, tracer_{tracer}, began_{began} {}

// What the record's outputs carry.
std::string Outbox::begin_span(const Record& source, const Error* error) {
  const std::string_view parent = source.header(headers::kTraceparent);
  if (tracer_ == nullptr) return child_of(parent).traceparent();
  Span span = tracer_->start(std::string{stage_} + " " + source.topic, Span::Kind::consumer, parent,
                             began_);
  describe(span, stage_, source);
  if (error != nullptr) span.fail(to_string(error->kind));
  spans_.push_back(std::move(span));
  return spans_.back().context.traceparent();
}

void Outbox::end_spans() {
  for (Span& span : spans_) tracer_->end(std::move(span));
  spans_.clear();
}

void Outbox::add_attempt(const Record& source, const Error& error) {
  if (tracer_ != nullptr) begin_span(source, &error);
}

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
  if (outputs.empty() && tracer_ == nullptr) return {};
  const std::string traceparent = begin_span(source);
  return append(source, traceparent, std::move(outputs));
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
  const std::string traceparent = begin_span(source, &error);
  given_up_.push_back({source.position(), error, attempts, std::string{trace_id_of(traceparent)}});
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
               {"trace_id", each.trace_id},
               {"error", each.error.message}});
  }
}

}  // namespace millrace
