#include "workers/runtime/stage.h"

#include <utility>

namespace millrace {

std::optional<Error> holding_back(const std::vector<Result<Outputs>>& results) {
  std::optional<Error> found;
  for (const Result<Outputs>& result : results) {
    if (result) continue;
    Error error = result.error();
    if (error.kind == Error::Kind::fatal) return error;
    if (error.kind == Error::Kind::unavailable && !found) found = std::move(error);
  }
  return found;
}

Outputs Stage::given_up(const Record&, const Error&) { return {}; }

Status Stage::checkpoint(const Offsets&) { return {}; }

Offsets Stage::restored() const { return {}; }

Outputs Stage::report(const std::vector<TopicPartition>&) { return {}; }

void Stage::reported() {}

Offsets Stage::settled(const Offsets& consumed) { return consumed; }

void Stage::stop() {}

}  // namespace millrace
