#pragma once

#include "common/log/record.h"
#include "gateway/backup/offset_map.h"

namespace millrace {

// A record of a backup as it goes into the log that is restored, where offsets are other ones. What
// is known of it is what was restored before: the topics of schemas/topics.h in their order.
//   document.sequence  (texts, chunks, embeddings, document-events, and such in dead letters) the
//                      offset of that revision in `documents`; of one that is not kept any more
//                      that of the last record before it, or none, so that newer ones stay newer
//   header `source`    the offset of that record, or none
//   dead letters       source, key, ids in `redriven-from`, and where they were sent again: offsets
//                      of those records; of ones that are not kept the old offset and
//                      kGoneOffsets, so that no two letters, and none that are to come, get the
//                      same id
//   header `redriven-from` of other records is left out: the letter's id may not be known yet
// The bytes of everything else stay as they are, and so do records that cannot be read.
Record moved(Record record, const OffsetMap& offsets);

inline constexpr Offset kGoneOffsets = Offset{1} << 48;

}  // namespace millrace
