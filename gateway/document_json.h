#pragma once

#include <string>

#include "common/json.h"
#include "gateway/services.h"

namespace millrace {

// A document's status as clients see it: in answers and on progress streams.
void write_json(json::Writer& out, const DocumentStatus& status);
std::string to_json(const DocumentStatus& status);
std::string status_url(std::string_view collection, std::string_view document_id);

// Nothing more will happen to this revision.
bool is_final(DocumentProgress::State state);
bool is_gone(DocumentProgress::State state);  // deleted, erased or not yet

}  // namespace millrace
