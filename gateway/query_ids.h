#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "gateway/answer_hub.h"

namespace millrace {

// A query id says by itself who may see it: the last 8 characters of its ULID are a tag over its
// first 18 and the asker's name. So any replica, after any restart, knows an id that no gateway
// gave out, or gave to somebody else, without a store.
std::string new_query_id(const Clock& clock, const AnswerHub& hub, std::string_view principal);
bool is_query_id_of(std::string_view query_id, std::string_view principal);

// When the id was made; 0 for what is no query id.
Clock::Wall query_id_time(std::string_view query_id);
// The same of a ULID, such as a revision.
Clock::Wall ulid_time(std::string_view ulid);
// What is less than every id made at `time` or later, and not less than those made before.
std::string query_ids_since(Clock::Wall time);

}  // namespace millrace
