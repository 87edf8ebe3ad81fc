#pragma once

#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

inline constexpr std::string_view kDefaultCollection = "default";

// Settings of a collection. Topic `collections`, key: the name; a deleted one is a tombstone.
struct Collection {
  std::string name;
  std::string description;
  int generation = 1;
  Clock::Wall created_at{};
  static constexpr std::string_view kType = "collection";
  bool operator==(const Collection&) const = default;
};

// 1 to 64 of a-z 0-9 - _, beginning with a letter or digit.
bool valid_collection_name(std::string_view name);

Record to_record(const Collection& collection);
Record collection_tombstone(std::string_view name);
Result<Collection> collection_from(const Record& record);

}  // namespace millrace
