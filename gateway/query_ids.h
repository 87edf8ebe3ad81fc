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

}  // namespace millrace
