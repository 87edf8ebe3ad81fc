#pragma once

#include "common/json.h"
#include "gateway/generations.h"

namespace millrace {

// As clients see them: objects.
void write_json(json::Writer& out, const Generation& generation);
void write_json(json::Writer& out, const GenerationView& view);

}  // namespace millrace
