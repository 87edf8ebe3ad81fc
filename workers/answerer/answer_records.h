#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"
#include "schemas/answer.h"
#include "workers/answerer/gather.h"
#include "workers/answerer/language_model.h"
#include "workers/answerer/probe.h"

namespace millrace {

// The records with which a query ends. Pure.

// Why a query failed: `reason` for programs, `message` for people.
struct AnswerFailure {
  std::string reason;
  std::string message;
};
inline constexpr std::string_view kCancelled = "cancelled";
inline constexpr std::string_view kOverloaded = "overloaded";
inline constexpr std::string_view kTimeout = "timeout";
inline constexpr std::string_view kSearchFailed = "search_failed";
inline constexpr std::string_view kModelUnavailable = "model_unavailable";
inline constexpr std::string_view kModelRejected = "model_rejected";
inline constexpr std::string_view kModelFailed = "model_failed";

Outcome outcome_of(const AnswerFailure& failure);
AnswerFailure failure_of(const Error& error, const std::string& model);
Answer answer_from(AnswerDraft draft);

// Query id, attempt and index are left to whoever sends them.
AnswerEvent reset_event();
AnswerEvent passages_event(const GatheredQuery& gathered);
AnswerEvent failed_event(const AnswerFailure& failure);

// The transcript of an answer from its last event.
Record transcript_of(const GatheredQuery& gathered, const AnswerEvent& last, Clock::Wall now);
Transcript failed_transcript(const GatheredQuery& gathered, const AnswerFailure& failure,
                             Clock::Wall now);

// A search's only event.
Record search_result(const GatheredQuery& gathered);
// A query that failed before its first event: the failed event; for answers the transcript too.
std::vector<Record> failed_at_once(const GatheredQuery& gathered, const AnswerFailure& failure,
                                   Clock::Wall now);

}  // namespace millrace
