#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/log/log.h"

namespace millrace {

// The two directions of segmented.h.

// True when the record must be split, or carries a list of segments that is not its own.
bool needs_segments(const Record& record);

// Stores the earlier segments of all large records through `writer`, in appends of a few MiB, and
// hands back the records, each large one as its last segment. Fails whole: what was stored by then
// is never listed by any record.
using SegmentsHandler = std::function<void(Result<std::vector<Record>>)>;
void store_segments(const std::shared_ptr<LogWriter>& writer, std::vector<Record> records,
                    SegmentsHandler done);

// What a record will measure when it is joined, at most.
std::size_t joined_bytes_max(const Record& record);

// The record as it was appended. Empty when an earlier segment is gone: superseded.
Result<std::optional<Record>> join_segments(const Log& base, const Record& last);

}  // namespace millrace
