#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "common/error.h"
#include "workers/index/chunk_store.h"
#include "workers/index/segment.h"

namespace millrace {

// One of those that a segment is made of. One that is frozen, or in files.
struct SegmentSource {
  std::shared_ptr<const GrowingSegment> growing;  // one of them
  std::shared_ptr<const SealedSegment> sealed;
  Bitmap keep;  // its rows that the new one has
};

struct SegmentPlan {
  std::filesystem::path directory;  // what is there is replaced
  std::string index_id;
  std::size_t dimensions = 0;
  VectorIndexOptions vectors = {};
};

// Writes the rows of the sources, one after the other, to files beside `directory`, gives them its
// name and opens them; null when no row is kept. Vectors come from the store, so that a segment
// never inherits what another one's rounding made of them; words and metadata from the sources. In
// memory: 12 bytes per row, the columns twice, what inverted.h says of its merge, for sources that
// are not in files their words and columns as bytes, and what VectorIndex::build() needs. Ends soon
// with `unavailable` when `stop` is requested.
Result<std::shared_ptr<const SealedSegment>> build_segment(const SegmentPlan& plan,
                                                           std::span<const SegmentSource> sources,
                                                           const StoreView& store,
                                                           const std::stop_token& stop);

}  // namespace millrace
