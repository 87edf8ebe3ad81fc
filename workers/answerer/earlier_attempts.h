#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/log.h"
#include "schemas/answer.h"

namespace millrace {

// What the topic `answers` already holds of a query.
struct EarlierAttempts {
  std::int32_t attempts = 0;  // the highest one seen; 0: none
  bool finished = false;      // its last event is there: `last`
  AnswerEvent last;
  bool whole = true;  // false: the reading stopped at a bound, there may be more
};

// A query's events stand between answers_from(query_id) and the topic's end; reading more than this
// much of other people's answers to find them is given up.
inline constexpr std::size_t kEarlierRecordsMax = 500'000;
inline constexpr std::chrono::milliseconds kEarlierTimeout{5'000};

// Blocks.
Result<EarlierAttempts> find_earlier_attempts(Log& log, const Clock& clock,
                                              const std::string& query_id);

}  // namespace millrace
