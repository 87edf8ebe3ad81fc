#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "workers/index/row_codec.h"

namespace millrace {

// A revision some of whose batches have arrived.
struct StagedRevision {
  std::string revision;
  std::uint64_t number = 0;  // order of first arrival
  std::int32_t batches = 1;
  std::map<std::int32_t, SlotRange> arrived;
};

// The staged rows of the chunk store, by document, so that each batch costs no scan. As large as
// what is staged on disk. Owned by the thread that applies.
class Staging {
 public:
  // Null when nothing of it has arrived.
  const StagedRevision* find(std::string_view key, std::string_view revision) const;
  void add(std::string_view key, std::string_view revision, std::int32_t batch,
           const StagedRow& row);
  // Those of the document that began to arrive before revision `number`, which has replaced them.
  std::vector<StagedRevision> older(std::string_view key, std::uint64_t number) const;
  // Forgets those, and revision `number` itself.
  void settle(std::string_view key, std::uint64_t number);

  // Every batch that waits.
  std::vector<SlotRange> ranges() const;

 private:
  std::map<std::string, std::vector<StagedRevision>, std::less<>> documents_;
};

}  // namespace millrace
