#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "gateway/services.h"

namespace millrace {

// Documents out of request bodies. Pure: may run on the pool.

// By the content type: multipart/form-data (every file is a document), application/json
// ({"documents":[…]}), application/x-ndjson (one object per line), else the raw bytes of one
// document
// (`?name=`, `?id=`, `?title=`). 415 with what is known for anything else.
Reply<std::vector<NewDocument>> parse_upload(const Request& request, std::size_t documents_max);

// The raw body as one document.
Reply<NewDocument> parse_raw_document(const Request& request);

// {"id?","title?","text" | "content_base64"+"media_type","name?","metadata?","allow?"}
Reply<NewDocument> parse_document(json::Value value, const std::string& where);

}  // namespace millrace
