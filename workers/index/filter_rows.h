#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "schemas/filter_node.h"
#include "workers/index/bitmap.h"

// What a filter selects of the rows of a segment.
namespace millrace {

// Whether both are bounds of one field, as in {"gte": 1, "lt": 5}.
inline bool are_bounds(const Filter::Node& left, const Filter::Node& right) {
  auto is_bound = [](const Filter::Node& node) {  // lt, lte, gt, gte
    return node.operation.starts_with('l') || node.operation.starts_with('g');
  };
  return is_bound(left) && is_bound(right) && left.field == right.field;
}

template <class Find>
Bitmap select_rows(const Filter::Node& node, bool negated, std::size_t rows, const Find& find);

// The rows for which both bounds hold. Where a field has one value, that is the rows of the values
// in between, most often far fewer than those that either bound alone lets pass.
template <class Find>
Bitmap select_between(const Filter::Node& left, const Filter::Node& right, std::size_t rows,
                      const Find& find) {
  const KeyRange& one = left.ranges.front();
  const KeyRange& other = right.ranges.front();
  Bitmap found{rows};
  find({std::max(one.low, other.low), std::min(one.high, other.high)}, found);
  Bitmap several{rows};
  const std::string key = several_key(left.field);
  find({key, key + '\0'}, several);
  if (several.count() == 0) return found;
  several &= select_rows(left, false, rows, find);
  several &= select_rows(right, false, rows, find);
  return found |= several;
}

// The rows for which the filter holds, or with `negated` surely does not. `find(range, bitmap)`
// sets the rows that have a key in the range. The recursion is bounded by Filter::Limits::depth.
template <class Find>
Bitmap select_rows(const Filter::Node& node, bool negated, std::size_t rows, const Find& find) {
  using Kind = Filter::Node::Kind;
  if (node.kind == Kind::none) return select_rows(node.children.front(), !negated, rows, find);
  if (node.kind == Kind::condition) {
    Bitmap found{rows};
    for (const KeyRange& range : node.ranges) find(range, found);
    if (node.absent == negated) return found;
    find(incomplete_range(), found);
    found.invert();
    return found;
  }
  const bool both = (node.kind == Kind::all) != negated;
  const std::vector<Filter::Node>& children = node.children;
  Bitmap found{rows, both};
  for (std::size_t i = 0; i < children.size(); ++i) {
    const bool bounds =
        both && !negated && i + 1 < children.size() && are_bounds(children[i], children[i + 1]);
    const Bitmap more = bounds ? select_between(children[i], children[i + 1], rows, find)
                               : select_rows(children[i], negated, rows, find);
    both ? found &= more : found |= more;
    if (bounds) ++i;
  }
  return found;
}

}  // namespace millrace
