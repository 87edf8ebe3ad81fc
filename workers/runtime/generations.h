#pragma once

#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/record.h"
#include "schemas/collection.h"

namespace millrace {

// Which generations there are and whose collections are in them, as the records of `collections`
// that were read so far say. A collection that nothing is known of is in the first one.
// Thread-safe.
class Generations {
 public:
  // A record of `collections`, in their order. `rejected`: it cannot be read, and changes nothing.
  Status apply(const Record& record);

  bool covers(int generation, std::string_view collection) const;
  // Those beside the first that somebody's collection has, by number.
  std::vector<Generation> others() const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, Collection, std::less<>> collections_;
};

}  // namespace millrace
