#include "workers/runtime/stage.h"

namespace millrace {

Outputs Stage::given_up(const Record&, const Error&) { return {}; }

Status Stage::checkpoint(const Offsets&) { return {}; }

Offsets Stage::restored() const { return {}; }

Offsets Stage::settled(const Offsets& consumed) { return consumed; }

void Stage::stop() {}

}  // namespace millrace
