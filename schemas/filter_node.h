#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schemas/filter.h"
#include "schemas/filter_value.h"

namespace millrace {

// Keys (filter_value.h) from `low` on, before `high`.
struct KeyRange {
  std::string low;
  std::string high;
};

// Where a document of which not all is known has a key; no field has it. See MetadataKeys.
inline const KeyRange& incomplete_range() {
  static const KeyRange range{std::string{}, std::string(1, '\0')};
  return range;
}

// A filter as a tree. A condition holds where a document has a key in one of its ranges; or, when
// it is `absent`, where it has none.
struct Filter::Node {
  enum class Kind { condition, all, any, none };
  Kind kind = Kind::condition;
  std::vector<Node> children;  // "none" has one; "all" and "any" have two or more

  // Of a condition.
  std::string field = {};
  std::string_view operation = {};  // as it is written: "lte"
  std::string operand = {};         // JSON
  std::vector<KeyRange> ranges = {};
  bool absent = false;
};

}  // namespace millrace
