#pragma once

#include <string>

#include "common/json.h"
#include "gateway/http_types.h"
#include "gateway/services.h"

namespace millrace {

// Parts of requests that several handlers read.

// The body as JSON: 415 for another content type, 400 with the position of a mistake.
Reply<json::Document> parse_json_body(const Request& request);

// The integer of a query parameter, or `fallback` when it is not there.
Reply<std::int64_t> integer_argument(const Request& request, std::string_view name,
                                     std::int64_t fallback, std::int64_t min, std::int64_t max);
// "true" or "false"; absent is false.
Reply<bool> flag_argument(const Request& request, std::string_view name);

// The Last-Event-ID header, else ?last_event_id= (for clients that cannot set headers).
std::string last_event_id(const Request& request);
bool accepts_event_stream(const Request& request);

// The options of a question out of `in`; the question itself, `explain` and `origin` are the
// caller's to read, who finishes the reader and then calls check_question().
struct QuestionFields {
  NewQuery query;
  std::string mode = "hybrid";
  std::string origin = "person";
  json::Value filter;  // in the body, which must outlive this
};
void read_question_options(json::ObjectReader& in, const Services& services,
                           QuestionFields& fields);
// What is wrong with them; `member` holds the question. Else `fields.query` is complete.
std::optional<Problem> check_question(const Services& services, std::string_view member,
                                      QuestionFields& fields);

}  // namespace millrace
