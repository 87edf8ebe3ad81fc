#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

struct IndexedCollection {
  std::int64_t documents = 0;
  std::int64_t chunks = 0;  // that can be found
  bool operator==(const IndexedCollection&) const = default;
};

// What is in an index of one partition, or in several of them.
struct IndexCounts {
  IndexedCollection all;                                              // over all collections
  std::map<std::string, IndexedCollection, std::less<>> collections;  // without empty ones
  // Of the whole index: collections share its segments.
  std::int64_t segments = 0;
  std::int64_t disk_bytes = 0;    // about
  std::int64_t memory_bytes = 0;  // of its segments, mapped files included
  std::int64_t merges = 0;        // since its process opened it

  const IndexedCollection& of(std::string_view collection) const;
  IndexCounts& operator+=(const IndexCounts& other);
  bool operator==(const IndexCounts&) const = default;
};

// How the index of one partition stands. Topic `index-states`, key: generation/partition. Counts
// documents whoever may see them: not for everybody's eyes.
struct IndexState {
  int generation = 1;
  std::int32_t partition = 0;
  Offset position = 0;  // in `embeddings.gN`: what stands before it is in the counts
  Clock::Wall at{};
  IndexCounts counts;
  // What records before it have superseded is gone from the index's disk too.
  Offset purged = 0;
  static constexpr std::string_view kType = "index-state";
  // Of one state, the first ones by name: no state is then so large that it becomes segments.
  static constexpr std::size_t kCollectionsMax = 3'000;
  bool operator==(const IndexState&) const = default;
};

Record to_record(const IndexState& state);
Result<IndexState> index_state_from(const Record& record);

// What the keys of a generation's states begin with.
std::string index_state_prefix(int generation);

}  // namespace millrace
