#pragma once

#include "gateway/services.h"

namespace millrace {

// What to answer when a query that a client waits for has failed.
Problem failed_query(const FinishedQuery& finished);

}  // namespace millrace
