#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/services.h"

namespace millrace {

// What accepting documents appends: first their events, then their progress with the sequences that
// the log gave them.
struct DocumentRecords {
  std::vector<Record> records;             // of `documents`, and others
  std::vector<DocumentProgress> progress;  // of each document, in order: `accepted`
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
