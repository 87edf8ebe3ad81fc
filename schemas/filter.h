#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/json.h"

namespace millrace {

// A condition on a document's metadata, as a search carries it:
//   filter    = { member, … }          all must hold; {} at the top: everything matches
//   member    = FIELD: value | FIELD: operators
//             | "and": [filter, …] | "or": [filter, …] | "not": filter
//   operators = { "eq" | "ne" | "lt" | "lte" | "gt" | "gte": value, "in": [value, …],
//                 "exists": true | false, … }          all must hold
//   value     = string | number | true | false         lt, lte, gt, gte: string | number
// Lists and inner objects are not empty. FIELD is a name in the metadata; "a.b" is the name "b"
// inside of the object "a", or the name "a.b" itself. A backslash in front takes what follows as a
// field: "\and" is the field "and", and "\\x" (behind JSON's own escapes) the field "\x".
//
// A field that is an array stands for its elements, also when they are arrays or objects: it
// matches when one of them does ("ne": when none is equal), and each condition may find another
// one. null is as if it was not there. A field that is not there matches "ne" and {"exists": false}
// only. Values of different types are never equal and never ordered. Types are boolean, number
// (exact for doubles and 64-bit integers; 1 is 1.0), time (a string that is an RFC 3339 date or
// time, compared as an instant; without a zone in UTC, a date as its midnight) and any other string
// (by code points). A document that is too large to be known whole (filter_value.h) matches by what
// is known to be there, never by what is not. Immutable; copies share. Any thread.
class Filter {
 public:
  struct Limits {
    std::size_t depth = 8;  // and, or, not; several conditions in one object are an "and"
    std::size_t conditions = 64;
    std::size_t values = 1'000;        // of all "in" lists together
    std::size_t string_bytes = 1'024;  // at most kMetadataStringBytesMax
    std::size_t bytes = 64 * 1'024;    // of the JSON, and of what serialize() gives
  };

  Filter() = default;  // no condition: everything matches
  // `rejected`: where in the filter ("filter.and[1].year"), what is wrong, and what would be right.
  static Result<Filter> parse(std::string_view text, const Limits& limits);
  // A value that is not there, or null, is no condition.
  static Result<Filter> from(json::Value value, const Limits& limits);

  bool empty() const { return root_ == nullptr; }
  bool operator==(const Filter& other) const { return serialize() == other.serialize(); }
  // Compact JSON that gives the same filter, within the same limits, and itself when it is parsed
  // and serialized again; "{}" when empty.
  std::string serialize() const;
  // Of one document, the slow way. `metadata` is a JSON object.
  bool matches(std::string_view metadata) const;

  struct Node;
  const Node* root() const { return root_.get(); }  // for columns.*; null when empty

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace millrace
