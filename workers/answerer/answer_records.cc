#include "workers/answerer/answer_records.h"

#include <utility>

namespace millrace {

Outcome outcome_of(const AnswerFailure& failure) {
  if (failure.reason == kCancelled) return Outcome::cancelled;
  if (failure.reason == kOverloaded) return Outcome::overloaded;
  if (failure.reason == kTimeout) return Outcome::timeout;
  return Outcome::failed;
}

AnswerFailure failure_of(const Error& error, const std::string& model) {
  switch (error.kind) {
    case Error::Kind::unavailable:
    case Error::Kind::retryable:
      return {std::string{kModelUnavailable},
              "the language model " + model + " cannot be reached or broke off: " + error.message +
                  "; check that its server is up and that its base URL is right, then ask again"};
    case Error::Kind::rejected:
      return {std::string{kModelRejected},
              "the language model " + model + " refused the request: " + error.message};
    case Error::Kind::fatal:
      break;
  }
  return {std::string{kModelFailed}, "the language model " + model + " failed: " + error.message};
}

Answer answer_from(AnswerDraft draft) {
  Answer answer;
  answer.text = std::move(draft.text);
  answer.citations = std::move(draft.citations);
  answer.confidence = draft.confidence;
  answer.refused = draft.refused;
  answer.needs_human_review = draft.needs_human_review;
  answer.model = std::move(draft.model);
  answer.usage = draft.usage;
  return answer;
}

AnswerEvent reset_event() {
  AnswerEvent event;
  event.type = AnswerEvent::Type::reset;
  event.reason = "taken_over";
  return event;
}

AnswerEvent passages_event(const GatheredQuery& gathered) {
  AnswerEvent event;
  event.type = AnswerEvent::Type::passages;
  event.passages = gathered.passages;
  event.partial = gathered.partial;
  event.embedding_us = gathered.embedding_us;
  event.search_us = gathered.search_us;
  event.provenance = gathered.provenance;
  return event;
}

AnswerEvent failed_event(const AnswerFailure& failure) {
  AnswerEvent event;
  event.type = AnswerEvent::Type::failed;
  event.last = true;
  event.reason = failure.reason;
  event.message = failure.message;
  return event;
}

Record search_result(const GatheredQuery& gathered) {
  AnswerEvent event = passages_event(gathered);
  event.query_id = gathered.query.query_id;
  event.last = true;
  return to_record(event);
}

Transcript failed_transcript(const GatheredQuery& gathered, const AnswerFailure& failure,
                             Clock::Wall now) {
  Transcript transcript;
  transcript.query = gathered.query;
  transcript.outcome = failure.reason == kCancelled ? "cancelled" : "failed";
  transcript.message = failure.message;
  transcript.passages = gathered.passages;
  transcript.finished_at = now;
  transcript.provenance = gathered.provenance;
  return transcript;
}

std::vector<Record> failed_at_once(const GatheredQuery& gathered, const AnswerFailure& failure,
                                   Clock::Wall now) {
  std::vector<Record> records;
  AnswerEvent event = failed_event(failure);
  event.query_id = gathered.query.query_id;
  records.push_back(to_record(event));
  if (gathered.query.kind == Query::Kind::answer) {
    records.push_back(to_record(failed_transcript(gathered, failure, now)));
  }
  return records;
}

Record transcript_of(const GatheredQuery& gathered, const AnswerEvent& last, Clock::Wall now) {
  if (last.type == AnswerEvent::Type::failed) {
    return to_record(failed_transcript(gathered, {last.reason, last.message}, now));
  }
  Transcript transcript;
  transcript.query = gathered.query;
  transcript.outcome = "completed";
  transcript.passages = gathered.passages;
  transcript.answer = last.answer;
  transcript.finished_at = now;
  transcript.provenance = gathered.provenance;
  return to_record(transcript);
}

}  // namespace millrace
