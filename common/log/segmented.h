#pragma once

#include <memory>

#include "common/log/log.h"

namespace millrace {

// Large records, for any topic and either log. A record whose value is over kSegmentBytes is stored
// as several: the earlier segments carry the header `segments: part`; the last one carries
// `segments: OFFSET,OFFSET,…` (the earlier ones, same partition) and *is* the record: its key,
// offset, timestamp and other headers are the record's. Earlier segments have the key
// KEY '\0' SET '\0' N, where SET is fresh for each record, so that they fall into KEY's partition
// and never overwrite those of another upload.
inline constexpr std::size_t kSegmentBytes = 512 * 1024;

// The largest record of either log, segmented or not: 64 MiB and a slack for the event around a
// file's bytes.
inline constexpr std::size_t kRecordBytesMax = (64U + 1U) << 20U;

// A view of `base` that splits on append and joins on read. Sessions and readers pass over earlier
// segments; when the last one arrives they are read back with read_at(). A record whose earlier
// segments are gone has been superseded and is skipped. `base` must outlive it.
std::unique_ptr<Log> make_segmented_log(Log& base);

// The offsets that a last segment lists; empty for any other record.
std::vector<Offset> segment_offsets(const Record& record);
bool is_earlier_segment(const Record& record);

}  // namespace millrace
