#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/services.h"

namespace millrace {

// What accepting documents appends: for each document the event and its first progress, in order.
struct DocumentRecords {
  std::vector<Record> records;
  std::vector<DocumentProgress> progress;  // each `accepted`
  std::vector<AcceptedDocument> accepted;
};

// Checks ids and gives those that are missing (from the content) and revisions.
Reply<DocumentRecords> accept_records(const Clock& clock, const std::string& collection,
                                      const std::string& traceparent,
                                      std::vector<NewDocument> documents);
// The removal of `documents`.
DocumentRecords removal_records(const Clock& clock, const std::string& traceparent,
                                const std::vector<DocumentRef>& documents);

}  // namespace millrace
