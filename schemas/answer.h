#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schemas/query.h"

namespace millrace {

// A span of the answer that a passage supports.
struct Citation {
  std::int32_t number = 0;  // as [1] in the answer's text
  std::string document_id;
  std::string revision;
  std::string chunk_id;
  std::string title;
  std::int32_t page = 0;
  std::int64_t start = 0;  // code points of the document's text: exactly `quote`
  std::int64_t end = 0;
  std::string quote;
  bool operator==(const Citation&) const = default;
};

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  bool operator==(const Usage&) const = default;
};

struct Answer {
  std::string text;
  std::vector<Citation> citations;
  double confidence = 0;  // 0 to 1
  bool refused = false;   // the evidence was too weak
  bool needs_human_review = false;
  bool partial = false;  // an index partition did not answer in time
  std::string model;     // "extractive" without a model server
  Usage usage;
  std::int64_t took_ms = 0;
  bool operator==(const Answer&) const = default;
};

// Topic `answers`, key: the query id. Events of one query, in order, `index` from 0 in each
// attempt; a reader drops lower attempts and repeated indexes.
struct AnswerEvent {
  enum class Type { started, passages, delta, reset, completed, failed };
  std::string query_id;
  std::int32_t attempt = 1;
  std::int32_t index = 0;
  Type type = Type::started;
  bool last = false;
  std::string text;               // delta: what to append to the answer
  std::vector<Passage> passages;  // passages
  bool partial = false;           // passages
  std::int64_t embedding_us = 0;  // passages: where the time went
  std::int64_t search_us = 0;     //   (the slowest partition)
  Answer answer;                  // completed
  std::string reason;             // failed: "cancelled", "model_unavailable", "timeout", …; reset
  std::string message;            // failed: for people
  std::optional<Provenance> provenance = {};  // passages; clients do not see it
  static constexpr std::string_view kType = "answer";
  bool operator==(const AnswerEvent&) const = default;
};
std::string_view to_string(AnswerEvent::Type type);
Record to_record(const AnswerEvent& event);
Result<AnswerEvent> answer_event_from(const Record& record);

// The object that clients see as `data:` of the event (schemas/openapi.yaml): what belongs to the
// type and nothing of the log's own (attempt stays inside).
std::string client_json(const AnswerEvent& event);
void write_json(json::Writer& out, const Citation& citation);  // an object
void write_members(json::Writer& out, const Answer& answer);   // members of `completed`

// Topic `transcripts`, key: the query id: the finished query, kept.
struct Transcript {
  Query query;
  std::string outcome;  // "completed", "failed", "cancelled"
  std::string message;  // of failed
  std::vector<Passage> passages;
  Answer answer;
  Clock::Wall finished_at{};
  std::optional<Provenance> provenance = {};  // older ones have none
  static constexpr std::string_view kType = "transcript";
  bool operator==(const Transcript&) const = default;
};
Record to_record(const Transcript& transcript);
Result<Transcript> transcript_from(const Record& record);

}  // namespace millrace
